#include "agent/engine/engine.h"

#include <google/protobuf/util/time_util.h>
#include <grpcpp/channel.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/clock.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/ids.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace pb = ::godwit::replication::v1;
using block::kBlockSize;
using Phase = pb::AgentProgress;
using google::protobuf::util::TimeUtil;

namespace {

constexpr absl::Duration kIdle = absl::Milliseconds(100);
constexpr absl::Duration kMaxBackoff = absl::Seconds(5);
constexpr int kMaxLanes = 8;

pb::Replication::StallCause CauseOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
      return pb::Replication::STAGING_FULL;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      return pb::Replication::FAILED_TO_CONNECT_AGENT_TO_REPLICATION_SERVER;
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kAborted:
      return pb::Replication::FAILED_TO_PAIR_REPLICATION_SERVER_WITH_AGENT;
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kNotFound:
      return pb::Replication::SOURCE_READ_ERROR;
    default:
      return pb::Replication::FAILED_TO_START_DATA_TRANSFER;
  }
}

}  // namespace

Engine::Engine(Options options, std::vector<std::unique_ptr<SourceDisk>> disks,
               std::unique_ptr<WriteCapture> capture, Freezer* freezer, Dial dial)
    : options_(std::move(options)),
      disks_(std::move(disks)),
      stream_(capture == nullptr
                  ? nullptr
                  : std::make_unique<CaptureStream>(
                        std::move(capture), static_cast<std::size_t>(options_.max_redo_bytes))),
      freezer_(freezer),
      dial_(std::move(dial)),
      state_(LoadReplicaState(options_.state_path, options_.boot_id)),
      window_(static_cast<std::size_t>(options_.max_redo_bytes)),
      convergence_(options_.convergence),
      cursors_(disks_.size()),
      hash_cursors_(disks_.size()) {}

void Engine::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void Engine::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  limit_.SetRate(0);  // nobody waits for it any more
  if (thread_.joinable()) thread_.join();
}

absl::Status Engine::Detach() {
  absl::MutexLock lock(&mutex_);
  absl::Status status;
  for (const auto& disk : disks_) status.Update(disk->tracker().Detach());
  return status;
}

void Engine::SetDirective(const pb::Directive& directive) {
  absl::MutexLock lock(&mutex_);
  directive_ = directive;
  // While a window pauses, only a cut that is under way still sends: as fast as before.
  if (directive.has_settings() && !directive.settings().sending_paused()) {
    limit_.SetRate(directive.settings().bandwidth_limit_bytes_per_second());
  }
  if (!directive.has_point_order() || !report_ ||
      report_->request_id() != directive.point_order().request_id()) {
    report_.reset();
  }
}

std::optional<pb::PointReport> Engine::Report() {
  absl::MutexLock lock(&mutex_);
  return report_;
}

void Engine::SetPhase(Phase::Phase phase) {
  absl::MutexLock lock(&mutex_);
  phase_ = phase;
}

std::int64_t Engine::PendingBytes() {
  std::int64_t blocks = 0;
  for (const auto& disk : disks_) blocks += static_cast<std::int64_t>(disk->pending());
  return blocks * kBlockSize;
}

pb::AgentProgress Engine::Progress() {
  absl::MutexLock lock(&mutex_);
  pb::AgentProgress progress;
  progress.set_phase(phase_);
  for (const auto& disk : disks_) {
    pb::AgentDiskProgress& part = *progress.add_disks();
    const auto bytes = [&](std::uint64_t blocks) {
      return static_cast<std::int64_t>(std::min(blocks * kBlockSize, disk->size_bytes()));
    };
    part.set_disk_id(disk->disk_id());
    part.set_pending_bytes(bytes(disk->pending() + disk->unverified()));
    part.set_replicated_bytes(
        bytes(disk->block_count() - std::min(disk->block_count(), disk->pending())));
    if (phase_ == Phase::RESCAN)
      part.set_rescanned_bytes(bytes(disk->block_count() - disk->unverified()));
  }
  progress.set_wire_bytes(wire_bytes_);
  progress.set_sent_bytes(plain_bytes_);
  progress.set_codec(codec_);
  const absl::Duration age = SteadyNow() - rate_since_;
  if (age >= absl::Seconds(2)) {
    rate_ = static_cast<std::int64_t>(static_cast<double>(plain_bytes_ - rate_bytes_) /
                                      absl::ToDoubleSeconds(age));
    rate_bytes_ = plain_bytes_;
    rate_since_ = SteadyNow();
  }
  progress.set_bytes_per_second(rate_);
  progress.set_error_message(error_);
  progress.set_stall_cause(stall_);
  TellPrediction(&progress);
  progress.set_abandoned_cut_count(abandoned_cuts_);
  progress.set_connected_generation(connected_generation_);
  *progress.mutable_verification() = verification_;
  if (consistent_ != absl::InfinitePast())
    *progress.mutable_lag() =
        TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(SteadyNow() - consistent_));
  TrackerLosses losses;
  for (const auto& disk : disks_) losses = losses + disk->tracker().Losses();
  *progress.mutable_health() =
      health_.Report(losses, stream_ == nullptr ? CaptureLosses{} : stream_->Losses());
  *progress.mutable_bottleneck() = stages_.Look();
  if (directive_.settings().sending_paused()) {
    progress.mutable_bottleneck()->set_stage(pb::Bottleneck::THROTTLE);
    progress.mutable_bottleneck()->set_busy_permille(1000);
    progress.mutable_bottleneck()->set_action(
        "a bandwidth window pauses sending: wait or change it");
  }
  return progress;
}

int Engine::LanesWanted() {
  absl::MutexLock lock(&mutex_);
  return std::clamp(directive_.settings().lane_count(), 1, kMaxLanes);
}

bool Engine::SendingPaused() {
  absl::MutexLock lock(&mutex_);
  return directive_.settings().sending_paused();
}

std::int64_t Engine::Slice() {
  constexpr std::int64_t kCharges = 25;  // best ones take 40 ms
  return std::max(std::min(kSliceBytes / kCharges, limit_.BestCharge()) * kCharges,
                  kSliceBytes / 1024);
}

bool Engine::StillAssigned(const pb::Assignment& assignment) {
  absl::MutexLock lock(&mutex_);
  return !stopping_ && directive_.action() == pb::Directive::REPLICATE &&
         directive_.assignment().lease_generation() == assignment.lease_generation() &&
         directive_.assignment().worker() == assignment.worker() &&
         directive_.assignment().endpoint() == assignment.endpoint();
}

void Engine::Loop() {
  absl::Duration backoff = absl::Milliseconds(200);
  while (true) {
    pb::Directive directive;
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
      directive = directive_;
    }
    if (directive.action() != pb::Directive::REPLICATE) {
      // The marks go on; taking them keeps the backlog that people see true.
      TakeMarks().status().IgnoreError();
      SetPhase(directive.action() == pb::Directive::PAUSE ? Phase::PAUSED : Phase::CONNECTING);
      absl::SleepFor(kIdle);
      continue;
    }
    const absl::Time from = SteadyNow();
    const absl::Status status = Replicate(directive.assignment());
    bool connected = false;
    {
      absl::MutexLock lock(&mutex_);
      connected = connected_generation_ != 0;
      connected_generation_ = 0;
      convergence_.Reset();
      for (const auto& disk : disks_) disk->ForgetSent();
      if (status.ok()) continue;
      phase_ = Phase::CONNECTING;
      error_ = std::string(status.message());
      stall_ = CauseOf(status);
    }
    Log(Severity::kWarning, "replication interrupted", {{"error", status.ToString()}});
    // A line that flaps is there now and then: then it is used. Whoever is refused after it was let
    // in comes back more slowly.
    if (connected && (absl::IsUnavailable(status) || SteadyNow() - from > absl::Seconds(30)))
      backoff = absl::Milliseconds(200);
    for (const absl::Time end = SteadyNow() + backoff;
         SteadyNow() < end && StillAssigned(directive.assignment());) {
      absl::SleepFor(kIdle);
    }
    backoff = std::min(backoff * 2, kMaxBackoff);
  }
}

absl::StatusOr<std::uint64_t> Engine::TakeMarks(bool exact, std::vector<BlockPlace>* fresh) {
  absl::MutexLock lock(&mutex_);
  std::uint64_t marks = 0;
  for (std::uint32_t i = 0; i < disks_.size(); ++i) {
    const auto& disk = disks_[i];
    std::vector<std::uint64_t> blocks;
    ASSIGN_OR_RETURN(const std::uint64_t taken, disk->TakeMarks(exact, fresh ? &blocks : nullptr));
    marks += taken;
    for (const std::uint64_t block : blocks) fresh->emplace_back(i, block);
    if (disk->tracker().TakeLost()) {
      const std::string losses = LossesText(disk->tracker().Losses());
      Log(Severity::kWarning, "change marks may be lost: the disk is compared as a whole",
          {{"disk", disk->disk_id()}, {"losses", losses}});
      health_.Rescan(disk->disk_id(),
                     absl::StrCat("marks may be lost", losses.empty() ? "" : ": ", losses));
      disk->SetAllUnverified();
      whole_disks_ = true;
    }
  }
  return marks;
}

void Engine::OnDurable(const InFlight& sent) {
  absl::MutexLock lock(&mutex_);
  SourceDisk& disk = *disks_[sent.disk];
  if (sent.zero_count == 0) {
    disk.Durable(sent.blocks);
    return;
  }
  for (std::uint64_t i = 0; i < sent.zero_count; ++i) disk.Durable({sent.zero_first + i, 1});
}

absl::StatusOr<bool> Engine::SendPending(Sender& sender, std::int64_t limit) {
  std::int64_t begun = 0;
  std::size_t next = 0;
  absl::Status status;
  while (true) {
    while (status.ok() && !ahead_.full() && begun < limit && next < disks_.size()) {
      std::int64_t bytes = BeginFirst(sender.FrameBytes());
      if (bytes == 0) {
        bytes = BeginPending(next, sender.FrameBytes());
        if (bytes == 0) ++next;
      }
      begun += bytes;
    }
    if (ahead_.empty()) break;
    ReadAhead::Piece& piece = Read();
    if (status.ok()) status = piece.status;
    if (status.ok())
      status = sender.Send(piece.index, *disks_[piece.index], piece.blocks, piece.plain);
    ahead_.Done();
    CountTraffic(sender);
  }
  RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(sender.Flush());
  SweepFirst();  // a cut may send for long
  return begun > 0;
}

ReadAhead::Piece& Engine::Read() {
  const Stages::Span reading(stages_, pb::Bottleneck::SOURCE_READ);
  return ahead_.Next();
}

std::int64_t Engine::BeginPending(std::size_t index, std::size_t most) {
  SourceDisk& disk = *disks_[index];
  BlockGroup group;
  {
    absl::MutexLock lock(&mutex_);
    if (disk.pending() == 0) return 0;
    group = disk.NextPending(&cursors_[index], static_cast<std::uint32_t>(most / kBlockSize));
    if (group.present == 0) {
      cursors_[index] = 0;
      return 0;
    }
    TakeToSend(index, group);
  }
  return BeginToRead(index, group);
}

void Engine::TakeToSend(std::size_t index, const BlockGroup& group) {
  // Before the read: a write that completes after it is marked and taken later.
  disks_[index]->Sent(group);
  // What was captured before the read does not explain marks that come after it.
  for (std::uint32_t bit = 0; bit < block::kMaxFrameBlocks && !recent_.empty(); ++bit) {
    if ((group.present >> bit & 1) != 0)
      recent_.erase({static_cast<std::uint32_t>(index), group.first_block + bit});
  }
}

std::int64_t Engine::BeginToRead(std::size_t index, const BlockGroup& group) {
  ahead_.Begin(static_cast<std::uint32_t>(index), *disks_[index], group);
  return std::popcount(group.present) * std::int64_t{kBlockSize};
}

void Engine::CountTraffic(const Sender& sender) {
  BlockSession& session = sender.session();
  const std::int64_t wire = session.wire_bytes(), plain = session.plain_bytes();
  absl::MutexLock lock(&mutex_);
  wire_bytes_ += wire - std::exchange(wire_seen_, wire);
  plain_bytes_ += plain - std::exchange(plain_seen_, plain);
  codec_ = sender.codec();
  const BlockSession::Waits waits = session.TakeWaits();
  stages_.AddWaits(waits.line, waits.worker, waits.work);
  stages_.Add(pb::Bottleneck::THROTTLE, limit_.TakeWait());
  stages_.Add(pb::Bottleneck::SOURCE_CPU, waits.running);
}

absl::Status Engine::Replicate(const pb::Assignment& assignment) {
  SetPhase(Phase::CONNECTING);
  pb::Open open;
  open.set_source_server(options_.source_server);
  open.set_lease_generation(assignment.lease_generation());
  for (const auto& disk : disks_) {
    pb::StreamDisk& part = *open.add_disks();
    part.set_disk_id(disk->disk_id());
    part.set_size_bytes(static_cast<std::int64_t>(disk->size_bytes()));
  }
  lanes_ = LanesWanted();
  open.set_lane_count(lanes_);
  open.set_session_id(NewUuid());
  RETURN_IF_ERROR(TakeMarks().status());
  ASSIGN_OR_RETURN(
      const auto session,
      BlockSession::Open([&] { return dial_(assignment); }, open,
                         {.durable = [this](const InFlight& sent) { OnDurable(sent); },
                          .hash_diff = [this](const pb::HashDiff& diff) { OnHashDiff(diff); }}));
  {
    absl::MutexLock lock(&mutex_);
    asked_.clear();
    verify_asked_ = 0;
    verification_.clear_pass_start_time();
    connected_generation_ = assignment.lease_generation();
    first_.Restart();
    error_.clear();
    stall_ = pb::Replication::STALL_CAUSE_UNSPECIFIED;
  }
  std::fill(cursors_.begin(), cursors_.end(), 0);
  std::fill(hash_cursors_.begin(), hash_cursors_.end(), 0);
  RETURN_IF_ERROR(Reconcile(session->opened()));
  Sender sender(*session, limit_);
  wire_seen_ = plain_seen_ = 0;
  const absl::Status status = Send(assignment, *session, sender);
  StopFollowing();
  CountTraffic(sender);
  return status;
}

absl::Status Engine::Send(const pb::Assignment& assignment, BlockSession& session, Sender& sender) {
  absl::Time next_point = absl::InfinitePast(), next_epoch = absl::InfinitePast();
  std::string last_order;
  while (StillAssigned(assignment) && LanesWanted() == lanes_) {
    RETURN_IF_ERROR(session.Ended());
    bool hashed = false, sent = false;
    if (stream_ != nullptr) stream_->Upkeep();
    if (!following_) {
      RETURN_IF_ERROR(TakeMarks().status());
      RETURN_IF_ERROR(BeginWhole());
      Predict();
    }
    const bool paused = SendingPaused();
    if (paused) StopFollowing();
    if (!following_ && !paused) {
      ASSIGN_OR_RETURN(hashed, Rescan(session));
    }
    const Work work = LookForWork();
    if (!following_ && !paused) {
      ASSIGN_OR_RETURN(sent, SendPending(sender, Slice()));
    }
    SweepFirst();
    CountTraffic(sender);
    const pb::PointOrder* const ordered = work.order && !work.initial ? &*work.order : nullptr;
    if (ordered != nullptr && ordered->request_id() != last_order) {
      last_order = ordered->request_id();
      next_point = absl::InfinitePast();  // an order does not wait for the interval
    }
    const absl::Time now = SteadyNow();
    const bool point_due =
        now >= next_point && !work.rescanning && !paused &&
        (following_ || ordered != nullptr ||
         work.pending <= (stream_ != nullptr ? options_.max_redo_bytes : options_.converged_bytes));
    if (point_due || (following_ && now >= next_epoch)) {
      const absl::Status cut = Cut(session, sender, ordered, /*interim=*/!point_due);
      RETURN_IF_ERROR(session.Ended());
      if (point_due || !cut.ok()) next_point = SteadyNow() + EndCut(cut, ordered);
      next_epoch = now + options_.follow_interval;
    }
    if (following_) {
      RETURN_IF_ERROR(ReadToVerify());
      absl::SleepFor(std::clamp(next_epoch - SteadyNow(), absl::ZeroDuration(), kIdle / 2));
    } else if (!sent && !hashed) {
      absl::SleepFor(kIdle);
    }
  }
  return absl::OkStatus();
}

Engine::Work Engine::LookForWork() {
  absl::MutexLock lock(&mutex_);
  Work work{.settings = directive_.settings(), .initial = !first_point_, .pending = PendingBytes()};
  bool changed = false;
  for (const auto& disk : disks_) {
    work.rescanning = work.rescanning || disk->unverified() > 0;
    changed = changed || disk->pending() > 0 || disk->durable() > 0;
  }
  if (directive_.has_point_order() && directive_.point_order().request_id() != done_request_)
    work.order = directive_.point_order();
  phase_ = work.rescanning ? Phase::RESCAN
           : work.initial  ? Phase::INITIAL_SYNC
           : changed       ? Phase::COPYING
                           : Phase::IDLE;
  return work;
}

}  // namespace godwit::agent
