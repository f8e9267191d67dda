#include "services/replication/worker/store/rbd/group.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/status_macros.h"
#include "services/replication/worker/store/check_group.h"
#include "services/replication/worker/store/manifest.h"

namespace godwit::store::rbd {
namespace pb = ::godwit::replication::v1;

namespace {

// More than this without a commit is no small change: it goes into the images.
constexpr std::uint64_t kMaxOpenBytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kMaxLoggedZeroBlocks = 4096;
constexpr std::size_t kMaxWaitingBytes = std::size_t{4} << 20;

}  // namespace

RbdGroup::RbdGroup(std::unique_ptr<Cluster> cluster, std::string server, std::int64_t generation,
                   std::vector<DiskSpec> disks)
    : cluster_(std::move(cluster)),
      server_(std::move(server)),
      object_(GroupObject(server_)),
      generation_(generation),
      disks_(std::move(disks)) {}

absl::Status RbdGroup::Healthy() const {
  absl::MutexLock lock(&mutex_);
  return broken_;
}

bool RbdGroup::Empty(std::size_t disk) const {
  absl::MutexLock lock(&mutex_);
  return volumes_[disk]->empty();
}

std::vector<PointFacts> RbdGroup::Points(std::size_t limit) const {
  absl::MutexLock lock(&mutex_);
  std::vector<PointFacts> points;
  for (int i = manifest_.points_size() - 1; i >= 0 && points.size() < limit; --i) {
    if (!manifest_.points(i).deleted()) points.push_back(FromStaged(manifest_.points(i).facts()));
  }
  return points;
}

absl::Status RbdGroup::Usable() const { return Annotate(broken_, "the group must be opened anew"); }

absl::Status RbdGroup::Broken(absl::Status status) {
  if (absl::IsAborted(status)) {
    status = absl::AbortedError(
        absl::StrFormat("lease generation %d is stale: %s", generation_, status.message()));
  }
  if (!status.ok() && broken_.ok()) broken_ = status;
  return status;
}

absl::Status RbdGroup::CheckClaim() const {
  ASSIGN_OR_RETURN(const std::string present, cluster_->Guard(object_));
  if (present == claim_) return absl::OkStatus();
  return absl::AbortedError("another worker has claimed the group");
}

absl::Status RbdGroup::AddToLog(std::size_t disk, std::uint64_t offset, block::Bytes bytes,
                                std::uint64_t zeros) {
  LogRecord record;
  record.set_disk_id(disks_[disk].disk_id);
  record.set_offset(static_cast<std::int64_t>(offset));
  record.set_data(bytes.data(), bytes.size());
  record.set_zero_bytes(static_cast<std::int64_t>(zeros));
  log_->Add(std::move(record));
  if (log_->open_bytes() > kMaxOpenBytes) return Broken(LeaveLog());
  if (log_->waiting() < kMaxWaitingBytes) return absl::OkStatus();
  return Broken(log_->Flush());
}

absl::Status RbdGroup::Write(std::size_t disk, std::uint64_t first_block,
                             block::MutableBytes bytes) {
  RETURN_IF_ERROR(CheckPayload(disks_, disk, first_block, bytes));
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  if (logging_) return AddToLog(disk, first_block * block::kBlockSize, bytes, 0);
  clean_ = false;
  return Broken(volumes_[disk]->Write(first_block, bytes));
}

absl::Status RbdGroup::Zero(std::size_t disk, std::uint64_t first_block, std::uint64_t count) {
  RETURN_IF_ERROR(CheckBlocks(disks_, disk, first_block, count));
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  if (logging_ && count > kMaxLoggedZeroBlocks) RETURN_IF_ERROR(Broken(LeaveLog()));
  if (logging_) {
    const std::uint64_t offset = first_block * block::kBlockSize;
    return AddToLog(disk, offset, {},
                    std::min(count * block::kBlockSize, disks_[disk].size_bytes - offset));
  }
  clean_ = false;
  return Broken(volumes_[disk]->Zero(first_block, count));
}

absl::Status RbdGroup::Patch(std::size_t disk, const std::vector<SectorRun>& runs) {
  RETURN_IF_ERROR(CheckRuns(disks_, disk, runs));
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  if (clean_) logging_ = true;
  for (const SectorRun& run : runs) {
    const std::uint64_t offset = run.sector * block::kSectorSize;
    // The log may be left in the middle.
    RETURN_IF_ERROR(logging_ ? AddToLog(disk, offset, run.bytes, 0)
                             : Broken(volumes_[disk]->Patch(offset, run.bytes)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<block::Digest>> RbdGroup::DigestAt(std::size_t disk,
                                                                std::uint64_t block) {
  RETURN_IF_ERROR(CheckBlocks(disks_, disk, block, 1));
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  const std::string& id = disks_[disk].disk_id;
  if (!log_->Touches(id, block)) return volumes_[disk]->DigestAt(block);
  block::AlignedBuffer buffer(block::kBlockSize);
  const block::MutableBytes bytes =
      buffer.bytes().first(block::BlockBytes(disks_[disk].size_bytes, block));
  RETURN_IF_ERROR(volumes_[disk]->Read(block, bytes));
  log_->Overlay(id, block, bytes);
  return block::DigestOf(bytes);
}

absl::StatusOr<block::Digest> RbdGroup::ReadBack(std::size_t disk, std::uint64_t block,
                                                 bool* damaged) {
  RETURN_IF_ERROR(CheckBlocks(disks_, disk, block, 1));
  block::AlignedBuffer buffer(block::kBlockSize);
  const block::MutableBytes bytes =
      buffer.bytes().first(block::BlockBytes(disks_[disk].size_bytes, block));
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  RETURN_IF_ERROR(volumes_[disk]->Read(block, bytes));
  // Known of what the image has, without the log.
  const std::optional<block::Digest> known = volumes_[disk]->KnownDigest(block);
  *damaged = known && *known != block::DigestOf(bytes);
  if (*damaged) volumes_[disk]->Distrust(block);
  log_->Overlay(disks_[disk].disk_id, block, bytes);
  return block::DigestOf(bytes);
}

absl::Status RbdGroup::Sync() {
  std::vector<std::pair<Image*, std::uint64_t>> begun;
  {
    absl::MutexLock lock(&mutex_);
    RETURN_IF_ERROR(Usable());
    RETURN_IF_ERROR(Broken(log_->Flush()));
    for (const auto& volume : volumes_)
      begun.emplace_back(&volume->image(), volume->image().begun());
  }
  // Others go on writing meanwhile. What was logged need not be in the images.
  absl::Status status;
  for (const auto& [image, write] : begun) {
    if (status.ok()) status = image->Await(write);
  }
  // Who claimed the group since may not have seen the last of it: then it must not be promised.
  if (status.ok()) status = CheckClaim();
  absl::MutexLock lock(&mutex_);
  CountAllocated();
  return Broken(status);
}

absl::StatusOr<PointFacts> RbdGroup::Commit(const PointFacts& wanted) {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  RETURN_IF_ERROR(Broken(CheckClaim()));
  if (wanted.epoch == committed_ && committed_ > 0) {  // the answer was lost
    if (committed_ == LastPoint())
      return FromStaged(manifest_.points(manifest_.points_size() - 1).facts());
    PointFacts facts = FromStaged(manifest_.interim());
    facts.interim = true;
    return facts;
  }
  if (wanted.epoch != committed_ + 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("epoch: ", wanted.epoch, " after ", committed_.load(), " was committed"));
  }
  PointFacts facts = wanted;
  facts.changed_bytes = 0;
  facts.commit_time = absl::Now();
  if (facts.interim && clean_) logging_ = true;
  if (logging_) {
    RETURN_IF_ERROR(Broken(CommitLog(facts)));
    if (facts.interim) return facts;
  }
  absl::StatusOr<PointFacts> made = MakePoint(facts);
  RETURN_IF_ERROR(Broken(made.status()));
  return made;
}

absl::StatusOr<std::optional<PointFacts>> RbdGroup::Rest() {
  absl::MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Usable());
  RETURN_IF_ERROR(Broken(CheckClaim()));
  absl::StatusOr<std::optional<PointFacts>> made = Promote();
  RETURN_IF_ERROR(Broken(made.status()));
  return made;
}

}  // namespace godwit::store::rbd
