// Verification: the part of the engine that compares the replica with the source while it follows
// it. docs/verification.md.
//
// A block is read and hashed; once the captured writes up to a later moment are known, and none of
// them touched it, the worker is asked, before it gets those writes: then both sides speak of the
// same content. Blocks that change are put off to the end of the pass.
#include <google/protobuf/util/time_util.h>

#include "absl/strings/str_cat.h"
#include "agent/engine/engine.h"
#include "services/common/base/clock.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/block/hash.h"

namespace godwit::agent {
namespace pb = ::godwit::replication::v1;
using block::kBlockSize;
using google::protobuf::util::TimeUtil;

namespace {

constexpr std::uint64_t kRunBlocks = block::kMaxFrameBlocks;
constexpr std::int64_t kOrderedBytes = std::int64_t{64} << 20;  // between two epochs
constexpr int kMaxAsked = 256;
constexpr std::size_t kMaxLater = 1 << 20;
// A captured write has ended after this.
constexpr absl::Duration kQuiet = absl::Seconds(2);
// Blocks that never rest are left to the captured writes.
constexpr absl::Duration kLaterPatience = absl::Seconds(10);
constexpr absl::Duration kLaterPause = absl::Seconds(1);
constexpr int kMaxDifferences = 100;

google::protobuf::Timestamp ToProto(absl::Time time) {
  return TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
}

}  // namespace

void Engine::BeginPass(const std::string& order) {
  verify_order_ = order;
  verify_disk_ = 0;
  verify_block_ = 0;
  held_.clear();
  later_.clear();
  absl::MutexLock lock(&mutex_);
  std::int64_t total = 0;
  for (const auto& disk : disks_) total += static_cast<std::int64_t>(disk->size_bytes());
  verification_.set_total_bytes(total);
  verification_.set_compared_bytes(0);
  *verification_.mutable_pass_start_time() = ToProto(absl::Now());
}

void Engine::EndPass() {
  absl::MutexLock lock(&mutex_);
  const auto now = ToProto(absl::Now());
  *verification_.mutable_pass_end_time() = now;
  if (!verify_order_.empty()) {
    verification_.set_finished_request_id(verify_order_);
    *verification_.mutable_finished_start_time() = verification_.pass_start_time();
    *verification_.mutable_finished_end_time() = now;
    verification_.set_finished_compared_bytes(verification_.compared_bytes());
  }
  Log(Severity::kInfo, "the replica was compared with the source",
      {{"bytes", absl::StrCat(verification_.compared_bytes())},
       {"differences", absl::StrCat(verification_.difference_count())},
       {"request", verify_order_}});
}

bool Engine::Comparable(const BlockPlace& place, bool* later) {
  SourceDisk& disk = *disks_[place.first];
  *later = false;
  switch (disk.StandingOf(place.second)) {
    case SourceDisk::Standing::kUnused:
      return false;
    case SourceDisk::Standing::kFilled:
      // The replica has what was written there and zeros around it.
      disk.Differs(place.second);
      return false;
    case SourceDisk::Standing::kMoving:
      *later = true;
      return false;
    case SourceDisk::Standing::kSettled:
      break;
  }
  const auto recent = recent_.find(place);
  *later = window_.Covers(place.first, place.second) ||
           (recent != recent_.end() && SteadyNow() - recent->second < kQuiet);
  return !*later;
}

// The next run of blocks to compare; 0 blocks: the pass is through, or rests.
std::uint64_t Engine::NextToVerify(std::uint32_t* disk, std::uint64_t* first) {
  absl::MutexLock lock(&mutex_);
  bool later = false;
  while (verify_disk_ < disks_.size()) {
    const std::uint64_t end = disks_[verify_disk_]->block_count();
    std::uint64_t count = 0;
    for (; verify_block_ < end && count < kRunBlocks; ++verify_block_) {
      const BlockPlace place{verify_disk_, verify_block_};
      if (Comparable(place, &later)) {
        if (count++ == 0) *first = verify_block_;
        continue;
      }
      if (later && later_.size() < kMaxLater) later_.push_back(place);
      if (count > 0) break;
    }
    *disk = verify_disk_;
    if (count > 0) return count;
    if (verify_block_ < end) continue;
    ++verify_disk_;
    verify_block_ = 0;
    later_since_ = later_tried_ = SteadyNow();
    later_left_ = later_.size();
  }
  if (SteadyNow() - later_since_ > kLaterPatience) later_.clear();
  if (later_left_ == 0 && SteadyNow() - later_tried_ > kLaterPause) {
    later_left_ = later_.size();
    later_tried_ = SteadyNow();
  }
  for (; later_left_ > 0 && !later_.empty(); --later_left_) {
    const BlockPlace place = later_.front();
    later_.pop_front();
    if (Comparable(place, &later)) {
      --later_left_;
      *disk = place.first;
      *first = place.second;
      return 1;
    }
    if (later) later_.push_back(place);
  }
  return 0;
}

absl::Status Engine::ReadToVerify() {
  std::string order;
  int asked = 0;
  bool began = false;
  {
    absl::MutexLock lock(&mutex_);
    order = directive_.verify_order().request_id();
    if (order == verification_.finished_request_id()) order.clear();
    asked = verify_asked_;
    began = verification_.has_pass_start_time();
  }
  if (!began || (!order.empty() && order != verify_order_)) {
    // Answers of the pass before do not count for this one.
    if (asked > 0) return absl::OkStatus();
    BeginPass(order);
  }
  if (!held_.empty() || asked > kMaxAsked) return absl::OkStatus();
  const absl::Time now = SteadyNow();
  std::int64_t budget = kOrderedBytes;
  if (verify_order_.empty()) {
    // What was not used is not saved up.
    const double seconds = std::min(1.0, absl::ToDoubleSeconds(now - verified_at_));
    budget =
        static_cast<std::int64_t>(seconds * static_cast<double>(options_.verify_bytes_per_second));
    if (budget < static_cast<std::int64_t>(kRunBlocks) * kBlockSize) return absl::OkStatus();
  }
  verified_at_ = now;
  if (verify_buffer_ == nullptr)
    verify_buffer_ = std::make_unique<block::AlignedBuffer>(kRunBlocks * kBlockSize);
  bool idle = true;
  while (budget > 0) {
    HeldRun run;
    const std::uint64_t count = NextToVerify(&run.disk, &run.first);
    if (count == 0) break;
    idle = false;
    const SourceDisk& disk = *disks_[run.disk];
    RETURN_IF_ERROR(disk.Read(run.first, count, verify_buffer_->bytes()));
    for (std::uint64_t i = 0; i < count; ++i) {
      run.digests.push_back(block::DigestOf(verify_buffer_->bytes().subspan(
          i * kBlockSize, block::BlockBytes(disk.size_bytes(), run.first + i))));
    }
    held_.push_back(std::move(run));
    budget -= static_cast<std::int64_t>(count) * kBlockSize;
  }
  if (idle && asked == 0 && verify_disk_ >= disks_.size() && later_.empty()) {
    EndPass();
    BeginPass("");
  }
  return absl::OkStatus();
}

absl::Status Engine::AskHeld(BlockSession& session) {
  for (const HeldRun& run : std::exchange(held_, {})) {
    for (std::uint64_t i = 0; i < run.digests.size();) {
      std::uint64_t count = 0;
      pb::AgentFrame frame;
      pb::Hashes& hashes = *frame.mutable_hashes();
      {
        absl::MutexLock lock(&mutex_);
        bool later = false;
        for (; i + count < run.digests.size(); ++count) {
          const block::Digest& digest = run.digests[i + count];
          if (!Comparable({run.disk, run.first + i + count}, &later)) break;
          hashes.mutable_digests()->append(reinterpret_cast<const char*>(digest.bytes.data()),
                                           digest.bytes.size());
        }
        if (count == 0) {
          if (later && later_.size() < kMaxLater) later_.emplace_back(run.disk, run.first + i);
          ++i;
          continue;
        }
        asked_.push_back({run.disk, run.first + i, count, /*verify=*/true});
        ++verify_asked_;
      }
      hashes.set_disk(run.disk);
      hashes.set_first_block(run.first + i);
      hashes.set_read_back(true);
      limit_.Charge(static_cast<std::int64_t>(frame.ByteSizeLong()));
      RETURN_IF_ERROR(session.Send(std::move(frame), {}));
      i += count;
    }
  }
  return absl::OkStatus();
}

void Engine::Compared(const Asked& asked, const pb::HashDiff& diff) {
  --verify_asked_;
  SourceDisk& disk = *disks_[asked.disk];
  const auto bit = [](const std::string& bits, std::uint64_t i) {
    return i / 8 < bits.size() && (bits[i / 8] >> (i % 8) & 1) != 0;
  };
  for (std::uint64_t i = 0; i < asked.count; ++i) {
    const std::uint64_t block = asked.first + i;
    const std::uint32_t size = block::BlockBytes(disk.size_bytes(), block);
    verification_.set_compared_bytes(verification_.compared_bytes() + size);
    if (!bit(diff.differs(), i) && !bit(diff.damaged(), i)) continue;
    disk.Differs(block);
    verification_.set_difference_count(verification_.difference_count() + 1);
    if (verification_.differences_size() >= kMaxDifferences)
      verification_.mutable_differences()->erase(verification_.differences().begin());
    pb::Difference& difference = *verification_.add_differences();
    difference.set_disk_id(disk.disk_id());
    difference.set_offset_bytes(static_cast<std::int64_t>(block * kBlockSize));
    difference.set_size_bytes(size);
    *difference.mutable_found_time() = ToProto(absl::Now());
    difference.set_cause(bit(diff.damaged(), i) ? pb::Difference::STAGING_DAMAGED
                                                : pb::Difference::CONTENT_DIFFERS);
    Log(Severity::kWarning, "a block of the replica differs: it is sent again",
        {{"disk", disk.disk_id()},
         {"offset", absl::StrCat(block * kBlockSize)},
         {"cause", pb::Difference::Cause_Name(difference.cause())}});
  }
}

}  // namespace godwit::agent
