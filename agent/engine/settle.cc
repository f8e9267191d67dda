// What must travel at the beginning of a session: the part of the engine that settles what the
// replica has, leaves out what is unused, and compares digests.
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/engine/engine.h"
#include "agent/engine/unused_space.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/block/hash.h"

namespace godwit::agent {
namespace pb = ::godwit::replication::v1;
using block::kBlockSize;

absl::Status Engine::Reconcile(const pb::Opened& opened) {
  absl::MutexLock lock(&mutex_);
  if (opened.disks_size() != static_cast<int>(disks_.size())) {
    return absl::InternalError("the worker answered for other disks");
  }
  const bool same = !state_.replica_id.empty() && opened.replica_id() == state_.replica_id;
  const bool in_step =
      same && opened.open_epoch_retained() && opened.committed_epoch() == state_.committed_epoch;
  // Interim epochs are not noted, and the answer to a commit may have been lost: only this agent
  // commits epochs of this replica.
  const bool ahead = same && opened.committed_epoch() > state_.committed_epoch;
  std::int64_t full = 0, compared = 0;
  for (std::size_t i = 0; i < disks_.size(); ++i) {
    SourceDisk& disk = *disks_[i];
    // Committed, or of another replica: either way no longer of an open epoch.
    if (!in_step) disk.Committed();
    const bool known = disk.tracker().Resumed() || known_.contains(disk.disk_id());
    if (opened.disks(static_cast<int>(i)).empty()) {
      disk.SetAllPending();
      ++full;
    } else if (!(in_step || ahead) || !known) {
      disk.SetAllUnverified();
      ++compared;
      health_.Rescan(disk.disk_id(), !known ? "what changed since the last comparison is not known"
                                            : "the replica is not where this agent left it");
    }
    known_.insert(disk.disk_id());
  }
  whole_disks_ = full + compared > 0;
  state_.replica_id = opened.replica_id();
  state_.committed_epoch = opened.committed_epoch();
  first_point_ = opened.committed_epoch() > 0;
  Log(Severity::kInfo, "connected",
      {{"committed_epoch", absl::StrCat(opened.committed_epoch())},
       {"disks_sent_whole", absl::StrCat(full)},
       {"disks_compared", absl::StrCat(compared)},
       {"pending_bytes", absl::StrCat(PendingBytes())}});
  return SaveReplicaState(options_.state_path, state_);
}

absl::Status Engine::LeaveOutUnused() {
  if (!std::exchange(whole_disks_, false)) return absl::OkStatus();
  std::vector<SourceDisk*> whole;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& disk : disks_) {
      if (disk->pending() + disk->unverified() >= disk->block_count()) whole.push_back(disk.get());
    }
  }
  if (whole.empty() || options_.devices.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string mountinfo, ReadFile("/proc/self/mountinfo"));
  const std::string swaps = ReadFile("/proc/swaps").value_or("");
  const std::vector<MountedFileSystem> mounted = FileSystemsOn(mountinfo, options_.devices);
  for (SourceDisk* const disk : whole) {
    // What was marked before may be free by now; what is written from here on is marked anew.
    RETURN_IF_ERROR(TakeMarks().status());
    const std::vector<BlockRun> unused = UnusedBlocks(disk->path(), mounted, swaps);
    std::uint64_t left_out = 0;
    absl::MutexLock lock(&mutex_);
    for (const BlockRun& run : unused) left_out += disk->LeaveOut(run.first, run.count);
    Log(Severity::kInfo, "unused space is left out",
        {{"disk", disk->disk_id()}, {"bytes", absl::StrCat(left_out * kBlockSize)}});
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Engine::Rescan(BlockSession& session) {
  constexpr std::uint64_t kBlocks = 128;  // 8 MiB of reading a frame
  constexpr std::size_t kMaxUnderWay = 64;
  constexpr int kFrames = 16;  // between two looks at the marks
  bool sent = false;
  int frames = 0;
  for (std::size_t next = 0; next < disks_.size() && frames < kFrames;) {
    std::uint64_t first = 0, count = 0;
    std::uint32_t i = 0;
    {
      absl::MutexLock lock(&mutex_);
      if (asked_.size() >= kMaxUnderWay) break;
      count = first_.NextToCompare(disks_, kBlocks, &i, &first);
      if (count == 0) {
        i = static_cast<std::uint32_t>(next);
        if (disks_[i]->unverified() > 0)
          count = disks_[i]->NextUnverified(&hash_cursors_[i], kBlocks);
        if (count == 0) {
          // All asked; what was lost with a session is asked again from the start.
          if (asked_.empty()) hash_cursors_[i] = 0;
          ++next;
          continue;
        }
        first = hash_cursors_[i];
        hash_cursors_[i] += count;
      }
    }
    SourceDisk& disk = *disks_[i];
    if (rescan_buffer_ == nullptr)
      rescan_buffer_ = std::make_unique<block::AlignedBuffer>(kBlocks * kBlockSize);
    const block::MutableBytes buffer = rescan_buffer_->bytes().first(count * kBlockSize);
    {
      const Stages::Span reading(stages_, pb::Bottleneck::SOURCE_READ);
      RETURN_IF_ERROR(disk.Read(first, count, buffer));
    }
    std::string digests;
    for (std::uint64_t b = 0; b < count; ++b) {
      const block::Digest digest = block::DigestOf(
          buffer.subspan(b * kBlockSize, block::BlockBytes(disk.size_bytes(), first + b)));
      digests.append(reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size());
    }
    pb::AgentFrame frame;
    frame.mutable_hashes()->set_disk(i);
    frame.mutable_hashes()->set_first_block(first);
    frame.mutable_hashes()->set_digests(std::move(digests));
    {
      absl::MutexLock lock(&mutex_);
      asked_.push_back({i, first, count});
    }
    limit_.Charge(static_cast<std::int64_t>(frame.ByteSizeLong()));
    limit_.Settle();
    RETURN_IF_ERROR(session.Send(std::move(frame), {}));
    sent = true;
    ++frames;
  }
  return sent;
}

void Engine::OnHashDiff(const pb::HashDiff& diff) {
  absl::MutexLock lock(&mutex_);
  // Answers come in the order of the questions; anything else is no answer to them.
  if (asked_.empty() || asked_.front().disk != diff.disk() ||
      asked_.front().first != diff.first_block())
    return;
  if (asked_.front().verify) {
    Compared(asked_.front(), diff);
    asked_.pop_front();
    return;
  }
  SourceDisk& disk = *disks_[diff.disk()];
  disk.Verified(asked_.front().first, asked_.front().count);
  asked_.pop_front();
  for (std::uint64_t i = 0; i < diff.differs().size() * 8; ++i) {
    const std::uint64_t block = diff.first_block() + i;
    if (block >= disk.block_count()) break;
    if ((diff.differs()[i / 8] >> (i % 8) & 1) != 0) disk.Differs(block);
  }
}

}  // namespace godwit::agent
