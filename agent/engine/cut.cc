// Cuts: the part of the engine that makes points, by capture of writes or by freeze.
#include <google/protobuf/util/time_util.h>

#include "absl/strings/str_cat.h"
#include "agent/engine/engine.h"
#include "agent/engine/hooks.h"
#include "services/common/base/clock.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace pb = ::godwit::replication::v1;
using block::kBlockSize;
using google::protobuf::util::TimeUtil;

namespace {

constexpr int kConvergeRounds = 8;
constexpr int kCaptureTries = 3;
// Cuts by capture that fail in a row before one by freeze is tried.
constexpr int kCapturesBeforeFreeze = 3;
constexpr absl::Duration kDurablePatience = absl::Minutes(5);
constexpr absl::Duration kDefaultCutInterval = absl::Seconds(10);
constexpr absl::Duration kDefaultFreezeBudget = absl::Milliseconds(500);

google::protobuf::Timestamp ToProto(absl::Time time) {
  return TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
}

}  // namespace

absl::Status Engine::Converge(BlockSession& session, Sender& sender,
                              const std::vector<MountedFileSystem>& mounts) {
  for (int round = 0; round < kConvergeRounds; ++round) {
    Freezer::Sync(mounts);
    RETURN_IF_ERROR(TakeMarks(/*exact=*/true).status());
    Predict();
    std::int64_t pending = 0;
    {
      absl::MutexLock lock(&mutex_);
      pending = PendingBytes();
    }
    if (round > 0 && pending <= options_.converged_bytes) break;
    while (true) {
      ASSIGN_OR_RETURN(const bool sent, SendPending(sender, kSliceBytes));
      if (!sent) break;
    }
    // Nothing may be on its way when the file systems are frozen: then everything pending can be
    // read at once.
    RETURN_IF_ERROR(session.Flush(kDurablePatience));
  }
  return absl::OkStatus();
}

absl::Status Engine::Capture(std::vector<Captured>* captured) {
  for (int attempt = 0; attempt < kCaptureTries; ++attempt) {
    captured->clear();
    RETURN_IF_ERROR(TakeMarks(/*exact=*/true).status());
    std::int64_t total = 0;
    for (std::size_t i = 0; i < disks_.size(); ++i) {
      SourceDisk& disk = *disks_[i];
      std::uint64_t cursor = 0;
      while (true) {
        BlockGroup group;
        {
          absl::MutexLock lock(&mutex_);
          group = disk.NextPending(&cursor);
        }
        if (group.present == 0) break;
        for (std::uint32_t bit = 0; bit < block::kMaxFrameBlocks;) {
          const auto run = static_cast<std::uint32_t>(std::countr_one(group.present >> bit));
          if (run == 0) {
            ++bit;
            continue;
          }
          const BlockGroup part{group.first_block + bit, (1u << run) - 1};
          const std::size_t size = (run - 1) * std::size_t{kBlockSize} +
                                   block::BlockBytes(disk.size_bytes(), part.first_block + run - 1);
          total += static_cast<std::int64_t>(size);
          if (total > options_.max_frozen_bytes) {
            return absl::ResourceExhaustedError(absl::StrCat(
                "more than ", options_.max_frozen_bytes >> 20, " MiB changed while converging"));
          }
          auto plain = std::make_unique<block::AlignedBuffer>(size);
          RETURN_IF_ERROR(disk.Read(part.first_block, run, plain->bytes()));
          captured->push_back({static_cast<std::uint32_t>(i), part, std::move(plain), size});
          bit += run;
        }
      }
    }
    // Whoever writes past the frozen file systems (swap, a raw partition) shows up here.
    ASSIGN_OR_RETURN(const std::uint64_t written, TakeMarks(/*exact=*/true));
    {
      absl::MutexLock lock(&mutex_);
      for (const auto& disk : disks_) {
        if (disk->unverified() > 0)
          return absl::AbortedError("change marks were lost: the disks are compared first");
      }
    }
    if (written == 0) return absl::OkStatus();
  }
  return absl::AbortedError("something writes to the disks past the frozen file systems");
}

absl::Status Engine::FreezeAndCapture(const std::vector<MountedFileSystem>& mounts,
                                      std::vector<Captured>* captured, pb::EpochCommit* facts) {
  absl::Duration budget = kDefaultFreezeBudget;
  {
    absl::MutexLock lock(&mutex_);
    const pb::AgentSettings& settings = directive_.settings();
    if (settings.never_freeze()) {
      return absl::FailedPreconditionError(
          "the settings forbid freezing file systems, and this cut needs it: allow it with a "
          "freeze budget");
    }
    if (settings.has_freeze_budget()) {
      budget = absl::Nanoseconds(TimeUtil::DurationToNanoseconds(settings.freeze_budget()));
    }
  }
  bool all_frozen = false;
  RETURN_IF_ERROR(freezer_->Freeze(mounts, budget, &all_frozen));
  const absl::Status status = Capture(captured);
  const absl::Time cut_time = absl::Now();
  const absl::StatusOr<absl::Duration> frozen = freezer_->Thaw();
  RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(frozen);
  *facts->mutable_cut_time() = ToProto(cut_time);
  *facts->mutable_freeze_time() =
      TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(*frozen));
  facts->set_consistency(all_frozen && !mounts.empty() ? pb::Point::FILESYSTEM_CONSISTENT
                                                       : pb::Point::CRASH_CONSISTENT);
  return absl::OkStatus();
}

absl::Status Engine::CutByFreeze(Sender& sender, const std::vector<MountedFileSystem>& mounts,
                                 pb::EpochCommit* facts) {
  std::vector<Captured> captured;
  RETURN_IF_ERROR(FreezeAndCapture(mounts, &captured, facts));
  {
    absl::MutexLock lock(&mutex_);
    for (const Captured& part : captured) disks_[part.disk]->Sent(part.blocks);
  }
  for (Captured& part : captured) {
    RETURN_IF_ERROR(sender.Send(part.disk, *disks_[part.disk], part.blocks,
                                part.plain->bytes().first(part.size)));
    part.plain.reset();
  }
  return sender.Flush();
}

absl::Status Engine::CutQuiesced(BlockSession& session, Sender& sender, const pb::PointOrder* order,
                                 bool interim) {
  bool by_capture = stream_ != nullptr;
  {
    absl::MutexLock lock(&mutex_);
    const bool may_freeze = !directive_.settings().never_freeze();
    if (abandoned_cuts_ >= kCapturesBeforeFreeze && may_freeze) by_capture = false;
  }
  if (!by_capture) StopFollowing();
  std::vector<MountedFileSystem> mounts;
  if (!options_.devices.empty() && (order != nullptr || !by_capture)) {
    ASSIGN_OR_RETURN(const std::string mountinfo, ReadFile("/proc/self/mountinfo"));
    mounts = FileSystemsOn(mountinfo, options_.devices);
  }
  // A point that somebody asked for has what applications had written, also where the source keeps
  // it in memory still.
  if (following_) {
    Freezer::Sync(mounts);
  } else {
    RETURN_IF_ERROR(Converge(session, sender, mounts));
  }
  if (!interim) SetPhase(pb::AgentProgress::CUTTING);
  pb::AgentFrame begin, commit;
  pb::EpochCommit& facts = *commit.mutable_epoch_commit();
  facts.set_epoch(state_.committed_epoch + 1);
  begin.mutable_epoch_begin()->set_epoch(facts.epoch());
  absl::Time cut_time;
  if (by_capture) {
    RETURN_IF_ERROR(Gather(session, sender, &cut_time));
    if (interim && window_.empty()) {  // nothing changed
      absl::MutexLock lock(&mutex_);
      bool unchanged = true;
      for (const auto& disk : disks_) unchanged = unchanged && disk->durable() == 0;
      if (unchanged) {
        consistent_ = OnSteadyClock(cut_time);
        return absl::OkStatus();
      }
    }
    RETURN_IF_ERROR(session.Send(std::move(begin), {}));
    *facts.mutable_cut_time() = ToProto(cut_time);
    facts.set_consistency(pb::Point::CRASH_CONSISTENT);
    facts.set_interim(interim);
    // Fails only in the test of the test: without every other window's writes points are mixtures.
    if (facts.epoch() % 2 == 0 || GODWIT_FAILPOINT_STATUS("agent.cut.skip_redo").ok())
      RETURN_IF_ERROR(sender.SendPatches(window_));
    RETURN_IF_ERROR(sender.Flush());
  } else {
    RETURN_IF_ERROR(session.Send(std::move(begin), {}));
    RETURN_IF_ERROR(CutByFreeze(sender, mounts, &facts));
    cut_time = absl::FromUnixNanos(TimeUtil::TimestampToNanoseconds(facts.cut_time()));
    RETURN_IF_ERROR(session.Flush(kDurablePatience));
  }
  if (order != nullptr) {
    facts.set_request_id(order->request_id());
    facts.set_root_hash(order->root_hash());
    if (order->quiesce()) {
      facts.set_consistency(pb::Point::APPLICATION_CONSISTENT);
      *facts.mutable_quiesce_time() = ToProto(quiesced_at_);
    }
  }
  GODWIT_FAILPOINT("agent.cut.before_commit");
  RETURN_IF_ERROR(session.Send(std::move(commit), {}));
  // What is committed is durable: nothing has to be flushed before.
  ASSIGN_OR_RETURN(const pb::EpochCommitted committed,
                   session.AwaitCommitted(facts.epoch(), kDurablePatience));
  GODWIT_FAILPOINT("agent.cut.after_commit");
  if (by_capture) Followed();
  state_.committed_epoch = committed.epoch();
  absl::MutexLock lock(&mutex_);
  for (const auto& disk : disks_) disk->Committed();
  first_point_ = true;
  consistent_ = OnSteadyClock(cut_time);
  return interim ? absl::OkStatus() : SaveReplicaState(options_.state_path, state_);
}

absl::Status Engine::Quiesce(const pb::PointOrder& order) {
  if (!order.quiesce()) return absl::OkStatus();
  if (state_.quiesced) {  // still, from an attempt or a point before
    if (quiesced_at_ == absl::Time()) quiesced_at_ = absl::Now();
    return absl::OkStatus();
  }
  state_.quiesced = true;  // also when a hook fails half-way: then Resume undoes it
  RETURN_IF_ERROR(SaveReplicaState(options_.state_path, state_));
  RETURN_IF_ERROR(RunHooks(options_.quiesce_folder, options_.hook_limit));
  quiesced_at_ = absl::Now();
  pb::PointReport report;
  report.set_request_id(order.request_id());
  *report.mutable_quiesce_time() = ToProto(quiesced_at_);
  absl::MutexLock lock(&mutex_);
  report_ = report;
  return absl::OkStatus();
}

void Engine::Resume() {
  if (!state_.quiesced) return;
  const absl::Status status = RunHooks(options_.resume_folder, options_.hook_limit);
  if (!status.ok()) Log(Severity::kError, "a resume hook failed", {{"error", status.ToString()}});
  state_.quiesced = false;
  SaveReplicaState(options_.state_path, state_).IgnoreError();
}

absl::Status Engine::Cut(BlockSession& session, Sender& sender, const pb::PointOrder* order,
                         bool interim) {
  const absl::Time from = SteadyNow();
  if (order != nullptr) RETURN_IF_ERROR(Quiesce(*order));
  const absl::Status status = CutQuiesced(session, sender, order, interim);
  if (status.ok() && interim) return status;
  Log(status.ok() ? Severity::kInfo : Severity::kWarning,
      status.ok() ? "point made" : "cut given up",
      {{"epoch", absl::StrCat(state_.committed_epoch + (status.ok() ? 0 : 1))},
       {"took", absl::FormatDuration(SteadyNow() - from)},
       {"request", order == nullptr ? "" : order->request_id()},
       {"error", std::string(status.message())}});
  if (!status.ok()) {
    StopFollowing();
    // What was read and did not arrive is pending again; a later cut begins with it.
    absl::MutexLock lock(&mutex_);
    if (session.AllDurable()) {
      for (const auto& disk : disks_) disk->ForgetSent();
    }
    return status;
  }
  // Unless told so, an application does not stay at rest longer than the cut.
  if (order != nullptr && !order->stay_quiesced()) Resume();
  return absl::OkStatus();
}

absl::Duration Engine::EndCut(const absl::Status& status, const pb::PointOrder* order) {
  bool give_up = false;
  absl::Duration pause;
  {
    absl::MutexLock lock(&mutex_);
    if (status.ok()) {
      abandoned_cuts_ = 0;
      error_.clear();
      stall_ = pb::Replication::STALL_CAUSE_UNSPECIFIED;
      if (order != nullptr) done_request_ = order->request_id();
      const pb::AgentSettings& settings = directive_.settings();
      const absl::Duration wanted =
          absl::Nanoseconds(TimeUtil::DurationToNanoseconds(settings.cut_interval()));
      return wanted > absl::ZeroDuration() ? wanted : kDefaultCutInterval;
    }
    ++abandoned_cuts_;
    error_ = absl::StrCat("no consistent point: ", status.message());
    if (abandoned_cuts_ >= 3) stall_ = pb::Replication::NOT_CONVERGING;
    pause =
        std::min(absl::Milliseconds(500) * (1 << std::min(abandoned_cuts_, 6)), absl::Seconds(30));
    // A hook that fails is not repeated: the owner must look at it.
    give_up = order != nullptr &&
              (abandoned_cuts_ >= kMaxOrderAttempts || absl::IsFailedPrecondition(status));
    if (give_up) {
      pb::PointReport report;
      report.set_request_id(order->request_id());
      report.set_failed(true);
      report.set_error_message(std::string(status.message()));
      report_ = report;
      done_request_ = order->request_id();
    }
  }
  if (give_up) Resume();
  return pause;
}

}  // namespace godwit::agent
