// How an epoch of a group is committed, and becomes a point.
#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/manifest.h"
#include "services/replication/worker/store/rbd/group.h"

namespace godwit::store::rbd {
namespace pb = ::godwit::replication::v1;

namespace {

// A log that is larger than this begins anew: bounds what a takeover does again.
constexpr std::uint64_t kMaxLogBytes = std::uint64_t{64} << 20;
// Blocks (of 64 KiB) that are read for the root hash of a point that nobody asked for.
constexpr std::uint64_t kMaxRehashed = 256;

// A multiple of 16 KiB.
std::string Padded(pb::RbdManifest manifest) {
  // Tag and length: a length below 128 has one byte, one from 16384 on three.
  constexpr std::size_t kUnit = 16384, kHead = 3, kLeast = 128;
  manifest.clear_padding();
  const std::size_t size = manifest.ByteSizeLong();
  const std::size_t padded = (size + kHead + kLeast + kUnit - 1) / kUnit * kUnit;
  const std::size_t fill = padded - size - kHead;
  manifest.set_padding(std::string(fill < kUnit ? fill : fill - 1, '\0'));
  return manifest.SerializeAsString();
}

}  // namespace

std::int64_t RbdGroup::LastPoint() const {
  const int points = manifest_.points_size();
  return points == 0 ? 0 : manifest_.points(points - 1).facts().epoch();
}

void RbdGroup::CountAllocated() {
  std::int64_t bytes = 0;
  for (const pb::RbdPoint& point : manifest_.points()) bytes += point.allocated_bytes();
  for (const auto& volume : volumes_) bytes += volume->changed_bytes();
  allocated_ = bytes;
}

absl::Status RbdGroup::AwaitImages() {
  for (const auto& volume : volumes_)
    RETURN_IF_ERROR(volume->image().Await(volume->image().begun()));
  return absl::OkStatus();
}

absl::Status RbdGroup::Apply(const std::vector<LogRecord>& records) {
  for (const LogRecord& record : records) {
    const auto is_it = [&](const auto& each) { return each->disk_id() == record.disk_id(); };
    const auto found = std::find_if(volumes_.begin(), volumes_.end(), is_it);
    if (found == volumes_.end()) continue;  // a commit, or a disk that is no longer replicated
    Volume& volume = **found;
    const auto offset = static_cast<std::uint64_t>(record.offset());
    const block::Bytes bytes(reinterpret_cast<const std::uint8_t*>(record.data().data()),
                             record.data().size());
    const std::uint64_t end = EndOf(record);
    const bool whole = offset % block::kBlockSize == 0 &&
                       (end % block::kBlockSize == 0 || end == volume.size_bytes());
    if (end > volume.size_bytes())
      return absl::DataLossError(absl::StrCat(log_->name(), ": behind the end of a disk"));
    if (record.zero_bytes() > 0) {
      const auto zeros = static_cast<std::uint64_t>(record.zero_bytes());
      RETURN_IF_ERROR(volume.Zero(offset / block::kBlockSize, block::BlockCount(zeros)));
    } else if (whole) {
      RETURN_IF_ERROR(volume.Write(offset / block::kBlockSize, bytes));
    } else {
      RETURN_IF_ERROR(volume.Patch(offset, bytes));
    }
  }
  return absl::OkStatus();
}

absl::Status RbdGroup::Publish(pb::RbdManifest next) {
  next.set_lease_generation(generation_);
  GODWIT_FAILPOINT("store.commit.after_fence");
  RETURN_IF_ERROR(cluster_->Replace(object_, claim_, Padded(next)));
  manifest_ = std::move(next);
  return absl::OkStatus();
}

absl::Status RbdGroup::PublishWithNewLog(pb::RbdManifest next) {
  next.set_log(manifest_.log() + 1);
  const std::string name = LogName(next.log());
  RETURN_IF_ERROR(RedoLog::Remove(*cluster_, name));  // left by a crash just here
  auto fresh = std::make_unique<RedoLog>(*cluster_, name);
  for (const LogRecord& record : log_->open_records()) fresh->Add(record);
  RETURN_IF_ERROR(fresh->Flush());
  RETURN_IF_ERROR(Publish(std::move(next)));
  log_.swap(fresh);
  return RedoLog::Remove(*cluster_, fresh->name());
}

absl::Status RbdGroup::CommitLog(const PointFacts& facts) {
  LogRecord commit;
  *commit.mutable_commit() = ToStaged(facts);
  log_->Add(std::move(commit));
  RETURN_IF_ERROR(log_->Flush());
  // Who claimed the group since may not have seen it: then it must not be promised.
  RETURN_IF_ERROR(CheckClaim());
  committed_ = facts.epoch;
  *manifest_.mutable_interim() = ToStaged(facts);
  GODWIT_FAILPOINT("store.rbd.committed");
  RETURN_IF_ERROR(Apply(log_->TakeOpen()));
  if (!facts.interim || log_->bytes() <= kMaxLogBytes) return absl::OkStatus();
  RETURN_IF_ERROR(AwaitImages());
  return PublishWithNewLog(manifest_);
}

// The group is locked and nobody else writes: taken one after the other they are one instant.
// Together, because each waits for the monitors' next round.
absl::Status RbdGroup::TakeSnapshots(std::int64_t epoch) {
  std::vector<absl::Status> taken(volumes_.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < volumes_.size(); ++i) {
    Image& image = volumes_[i]->image();
    threads.emplace_back(
        [&image, &status = taken[i], epoch] { status = image.Snapshot(SnapshotName(epoch)); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& status : taken) RETURN_IF_ERROR(status);
  return absl::OkStatus();
}

absl::StatusOr<std::string> RbdGroup::RootHashNow(bool wanted) {
  std::uint64_t unknown = 0;
  for (const auto& volume : volumes_) unknown += volume->unknown();
  if (!wanted && unknown > kMaxRehashed) return "";
  RootHash root;
  for (const auto& volume : volumes_) {
    ASSIGN_OR_RETURN(const std::string hash, volume->DiskHash());
    root.Add(volume->disk_id(), volume->size_bytes(), hash);
  }
  return root.Hex();
}

absl::StatusOr<PointFacts> RbdGroup::MakePoint(PointFacts facts) {
  facts.interim = false;
  RETURN_IF_ERROR(AwaitImages());
  RETURN_IF_ERROR(TakeSnapshots(facts.epoch));
  GODWIT_FAILPOINT("store.rbd.snapshots_taken");
  ASSIGN_OR_RETURN(facts.root_hash, RootHashNow(facts.root_hash_wanted));
  facts.changed_bytes = 0;
  for (const auto& volume : volumes_) {
    facts.changed_bytes += volume->changed_bytes();
    RETURN_IF_ERROR(volume->SaveDigests());
  }
  facts.commit_time = absl::Now();
  pb::RbdManifest next = manifest_;
  next.clear_interim();
  for (std::size_t i = 0; i < volumes_.size(); ++i) {
    for (pb::RbdDisk& disk : *next.mutable_disks()) {
      if (disk.disk_id() != volumes_[i]->disk_id() || disk.last_epoch() != 0) continue;
      if (disk.first_epoch() == 0) disk.set_first_epoch(facts.epoch);
    }
  }
  pb::RbdPoint& point = *next.add_points();
  *point.mutable_facts() = ToStaged(facts);
  point.set_allocated_bytes(facts.changed_bytes);
  GODWIT_FAILPOINT("store.commit.before_manifest");
  // What the log has is in the point, or comes after it.
  RETURN_IF_ERROR(log_->used() ? PublishWithNewLog(std::move(next)) : Publish(std::move(next)));
  GODWIT_FAILPOINT("store.commit.after_manifest");
  committed_ = facts.epoch;
  clean_ = true;
  CountAllocated();
  return facts;
}

absl::StatusOr<std::optional<PointFacts>> RbdGroup::Promote() {
  if (!manifest_.has_interim()) return std::nullopt;
  return MakePoint(FromStaged(manifest_.interim()));
}

absl::Status RbdGroup::LeaveLog() {
  RETURN_IF_ERROR(Promote().status());
  // Durable in the log first: a part of it in the images is then no more than the log has.
  RETURN_IF_ERROR(log_->Flush());
  RETURN_IF_ERROR(Apply(log_->open_records()));
  RETURN_IF_ERROR(AwaitImages());
  log_->TakeOpen();
  logging_ = clean_ = false;
  return PublishWithNewLog(manifest_);
}

}  // namespace godwit::store::rbd
