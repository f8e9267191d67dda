#include "services/replication/worker/rpc/stream_session.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/clock.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/replication/worker/engine/commit_facts.h"

namespace godwit::worker {
namespace pb = ::godwit::replication::v1;
using google::protobuf::util::TimeUtil;

namespace {

// For an agent to end the stream after it was told why.
constexpr absl::Duration kEndPatience = absl::Seconds(5);
// For what other lanes have under way.
constexpr absl::Duration kLanePatience = absl::Minutes(2);

std::int64_t PlainBytes(const pb::AgentFrame& frame) {
  if (frame.has_data()) {
    return static_cast<std::int64_t>(std::popcount(frame.data().present())) * block::kBlockSize;
  }
  std::int64_t sectors = 0;
  for (int i = 1; i < frame.patch().runs_size(); i += 2)
    sectors += static_cast<std::int64_t>(frame.patch().runs(i));
  return sectors * static_cast<std::int64_t>(block::kSectorSize);
}

// Holes cost little for their size.
std::int64_t ZeroCost(const pb::Zero& zero) {
  constexpr std::uint64_t kPerBlock = 256;
  return static_cast<std::int64_t>(std::min<std::uint64_t>(zero.block_count(), 65536) * kPerBlock);
}

void SetTimes(const WorkMeter& meter, pb::WorkerTimes* times) {
  const auto micros = [&](WorkMeter::Stage stage) {
    return absl::ToInt64Microseconds(meter.spent(stage));
  };
  times->set_verify_micros(micros(WorkMeter::kVerify));
  times->set_write_micros(micros(WorkMeter::kWrite));
  times->set_sync_micros(micros(WorkMeter::kSync));
  times->set_turn_micros(micros(WorkMeter::kTurn));
  times->set_limit_micros(micros(WorkMeter::kLimit));
  times->set_database_micros(micros(WorkMeter::kDatabase));
}

}  // namespace

absl::Status StreamSession::Send(const pb::WorkerFrame& frame) {
  absl::MutexLock lock(&write_mutex_);
  return stream_.Write(frame) ? absl::OkStatus() : absl::UnavailableError("the agent is gone");
}

absl::Status StreamSession::SendOpened() {
  pb::WorkerFrame frame;
  pb::Opened& opened = *frame.mutable_opened();
  opened.set_committed_epoch(group_.committed_epoch());
  // Open layers are journaled and taken over, see the store: what was acknowledged is there.
  opened.set_open_epoch_retained(true);
  for (std::size_t i = 0; i < group_.disks().size(); ++i)
    opened.add_disks()->set_empty(group_.Empty(i));
  opened.set_credit_bytes(options_.credit.initial);
  opened.set_lane_count(lanes_.count());
  opened.set_max_message_bytes(options_.max_message_bytes);
  opened.set_replica_id(group_.replica_id());
  return Send(frame);
}

absl::Status StreamSession::Run() {
  RETURN_IF_ERROR(lanes_.Join(lane_, hosted_.group.get(),
                              [this](const absl::Status& status) { Fail(status); }));
  const absl::Status status = Serve();
  lanes_.Leave(lane_, status);
  if (lane_ == 0) Rest();
  return status;
}

void StreamSession::Fail(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  if (failed_.ok()) failed_ = status;
}

absl::Status StreamSession::Serve() {
  RETURN_IF_ERROR(SendOpened());
  std::thread acknowledger([this] {
    if (lane_ == 0) Acknowledge();
  });
  std::thread reader([this] { ReadFrames(); });
  absl::Status status;
  pb::AgentFrame frame;
  std::uint64_t last = 0;
  while (status.ok() && NextFrame(&frame)) {
    if (frame.sequence() != last + 1) {
      status = rpc::FieldError("sequence", absl::StrCat(frame.sequence(), " after ", last));
      break;
    }
    if (frame.round_trip_us() > 0) round_trip_us_ = frame.round_trip_us();
    status = AwaitTurn(frame);
    if (status.ok()) status = Take(frame);
    if (!status.ok()) break;
    last = frame.sequence();
    lanes_.Took(
        lane_, last,
        static_cast<std::int64_t>(frame.data().payload().size() + frame.patch().payload().size()),
        PlainBytes(frame));
    if (frame.has_flush()) lanes_.WantFlush();
    absl::MutexLock lock(&mutex_);
    status = failed_;
  }
  {
    absl::MutexLock lock(&mutex_);
    done_ = true;
    if (status.ok()) status = failed_;
  }
  lanes_.End(status.ok() ? absl::UnavailableError("the agent ended a lane") : status);
  if (!status.ok()) Tell(status);
  reader.join();
  acknowledger.join();
  return status;
}

absl::Status StreamSession::AwaitTurn(const pb::AgentFrame& frame) {
  if (lanes_.count() == 1) return absl::OkStatus();
  if (frame.has_data() || frame.has_zero()) return absl::OkStatus();
  if (lane_ != 0)
    return rpc::FieldError("frame", "only Data and Zero travel on other lanes than 0");
  if (frame.after_size() != lanes_.count() - 1) {
    return rpc::FieldError("after", absl::StrCat(frame.after_size(), " sequences, there are ",
                                                 lanes_.count() - 1, " other lanes"));
  }
  return lanes_.Await(frame.after(), kLanePatience);
}

// An agent that waits for an answer would not see the status of the call before it sends again; and
// a call that is cancelled has lost its status.
void StreamSession::Tell(const absl::Status& status) {
  pb::WorkerFrame frame;
  frame.mutable_ended()->set_code(static_cast<int>(status.code()));
  frame.mutable_ended()->set_message(std::string(status.message()));
  Send(frame).IgnoreError();
  bool read_all = false;
  {
    absl::MutexLock lock(&mutex_);
    read_all = mutex_.AwaitWithTimeout(absl::Condition(&read_all_), kEndPatience);
  }
  if (!read_all) flow_.cancel();
}

// The next frame is received while the one before is written: one thread waits for the line, the
// other for the disk.
void StreamSession::ReadFrames() {
  while (true) {
    pb::AgentFrame frame;
    const bool more = stream_.Read(&frame);
    const auto bytes = static_cast<std::int64_t>(frame.ByteSizeLong());
    {
      absl::MutexLock lock(&mutex_);
      const auto room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return done_ || queued_.empty() || queued_bytes_ < kMostQueued / lanes_.count();
      };
      mutex_.Await(absl::Condition(&room));
      if (done_ || !more) {
        read_all_ = true;
        return;
      }
      queued_bytes_ += bytes;
      queued_.push_back(std::move(frame));
    }
    if (flow_.share != nullptr) AwaitShare(bytes);
  }
}

bool StreamSession::NextFrame(pb::AgentFrame* frame) {
  absl::MutexLock lock(&mutex_);
  const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return read_all_ || !queued_.empty() || !failed_.ok();
  };
  mutex_.Await(absl::Condition(&ready));
  if (queued_.empty() || !failed_.ok()) return false;
  *frame = std::move(queued_.front());
  queued_.pop_front();
  queued_bytes_ -= static_cast<std::int64_t>(frame->ByteSizeLong());
  return true;
}

void StreamSession::Rest() {
  if (!leases_.Check(hosted_.server, group_.lease_generation()).ok()) return;
  const absl::StatusOr<std::optional<store::PointFacts>> point = group_.Rest();
  if (point.ok() && point->has_value())
    committed_(hosted_.server, group_.lease_generation(), **point);
}

void StreamSession::AwaitShare(std::int64_t bytes) {
  const WorkMeter::Span waiting(hosted_.meter, WorkMeter::kLimit);
  const FairShare::Ticket ticket = flow_.share->Ask(hosted_.server, bytes);
  while (true) {
    const absl::Duration wait = flow_.share->Wait(ticket);
    if (wait == absl::ZeroDuration()) return;
    absl::SleepFor(wait);
    if (flow_.cancelled()) return flow_.share->Cancel(ticket);
  }
}

absl::StatusOr<std::uint64_t> StreamSession::DiskBytes(std::uint32_t disk) const {
  if (disk >= group_.disks().size()) return rpc::FieldError("disk", absl::StrCat("no disk ", disk));
  return group_.disks()[disk].size_bytes;
}

absl::Status StreamSession::Take(const pb::AgentFrame& frame) {
  switch (frame.frame_case()) {
    case pb::AgentFrame::kData:
      return TakeData(frame.data());
    case pb::AgentFrame::kPatch:
      return TakePatch(frame.patch());
    case pb::AgentFrame::kZero: {
      const FrameWork work(hosted_, flow_.frames, ZeroCost(frame.zero()), Weight());
      const WorkMeter::Span writing(hosted_.meter, WorkMeter::kWrite);
      return group_.Zero(frame.zero().disk(), frame.zero().first_block(),
                         frame.zero().block_count());
    }
    case pb::AgentFrame::kHashes:
      return TakeHashes(frame);
    case pb::AgentFrame::kEpochBegin:
    case pb::AgentFrame::kEpochCommit:
    case pb::AgentFrame::kEpochAbandon:
      if (frame.has_epoch_begin()) {
        epoch_begun_ = frame.epoch_begin().epoch();
      } else if (frame.has_epoch_abandon()) {
        epoch_begun_ = 0;
      } else {
        return TakeCommit(frame.epoch_commit());
      }
      return absl::OkStatus();
    case pb::AgentFrame::kFlush:
      return absl::OkStatus();
    case pb::AgentFrame::kOpen:
      return rpc::FieldError("open", "the stream is open already");
    case pb::AgentFrame::FRAME_NOT_SET:
      break;
  }
  return rpc::FieldError("frame", "unknown kind of frame: this worker is older than the agent");
}

absl::Status StreamSession::TakeData(const pb::Data& data) {
  ASSIGN_OR_RETURN(const std::uint64_t disk_bytes, DiskBytes(data.disk()));
  hosted_.received_bytes += static_cast<std::int64_t>(data.payload().size());
  GODWIT_FAILPOINT("worker.stream.data");
  const FrameWork work(hosted_, flow_.frames,
                       std::popcount(data.present()) * std::int64_t{block::kBlockSize}, Weight());
  WorkMeter::Span verifying(hosted_.meter, WorkMeter::kVerify);
  GODWIT_FAILPOINT("worker.verify");
  return decoder_.Decode(data, disk_bytes, [&](const BlockRun& run) {
    const absl::Duration from = hosted_.meter.Now();
    GODWIT_FAILPOINT("worker.write");
    const absl::Status status = group_.Write(data.disk(), run.first_block, run.bytes);
    const absl::Duration took = hosted_.meter.Now() - from;
    verifying.Exclude(took);
    hosted_.meter.Add(WorkMeter::kWrite, took);
    return status;
  });
}

absl::Status StreamSession::TakePatch(const pb::Patch& patch) {
  ASSIGN_OR_RETURN(const std::uint64_t disk_bytes, DiskBytes(patch.disk()));
  const auto bytes = static_cast<std::int64_t>(patch.payload().size());
  hosted_.received_bytes += bytes;
  const FrameWork work(hosted_, flow_.frames, bytes, Weight());
  WorkMeter::Span verifying(hosted_.meter, WorkMeter::kVerify);
  GODWIT_FAILPOINT("worker.verify");
  ASSIGN_OR_RETURN(const std::vector<store::SectorRun> runs, decoder_.Decode(patch, disk_bytes));
  const absl::Duration from = hosted_.meter.Now();
  GODWIT_FAILPOINT("worker.write");
  const absl::Status status = group_.Patch(patch.disk(), runs);
  verifying.Exclude(hosted_.meter.Now() - from);
  hosted_.meter.Add(WorkMeter::kWrite, hosted_.meter.Now() - from);
  return status;
}

absl::Status StreamSession::TakeHashes(const pb::AgentFrame& frame) {
  const pb::Hashes& hashes = frame.hashes();
  ASSIGN_OR_RETURN(const std::uint64_t disk_bytes, DiskBytes(hashes.disk()));
  ASSIGN_OR_RETURN(const std::vector<block::Digest> digests, DecodeHashes(hashes, disk_bytes));
  pb::WorkerFrame answer;
  pb::HashDiff& diff = *answer.mutable_hash_diff();
  diff.set_sequence(frame.sequence());
  diff.set_disk(hashes.disk());
  diff.set_first_block(hashes.first_block());
  std::string differs((digests.size() + 7) / 8, '\0'), damaged = differs;
  const auto set = [](std::string& bits, std::size_t i) {
    bits[i / 8] = static_cast<char>(bits[i / 8] | (1 << (i % 8)));
  };
  // A few blocks in each turn.
  constexpr std::size_t kBlocks = 16;
  const std::int64_t cost = hashes.read_back() ? kBlocks * std::int64_t{block::kBlockSize} : 0;
  for (std::size_t i = 0; i < digests.size();) {
    const FrameWork work(hosted_, flow_.frames, cost, Weight());
    const WorkMeter::Span verifying(hosted_.meter, WorkMeter::kVerify);
    for (const std::size_t end = std::min(i + kBlocks, digests.size()); i < end; ++i) {
      std::optional<block::Digest> own;
      bool bad = false;
      if (hashes.read_back()) {
        ASSIGN_OR_RETURN(own, group_.ReadBack(hashes.disk(), hashes.first_block() + i, &bad));
      } else {
        ASSIGN_OR_RETURN(own, group_.DigestAt(hashes.disk(), hashes.first_block() + i));
      }
      if (own != digests[i]) set(differs, i);
      if (bad) set(damaged, i);
    }
  }
  diff.set_differs(differs);
  if (hashes.read_back()) diff.set_damaged(damaged);
  return Send(answer);
}

absl::Status StreamSession::TakeCommit(const pb::EpochCommit& commit) {
  if (epoch_begun_ == 0 || commit.epoch() != epoch_begun_) {
    return rpc::FieldError("epoch_commit.epoch", absl::StrCat(commit.epoch(), " was not begun"));
  }
  ASSIGN_OR_RETURN(store::PointFacts facts, FactsOf(commit));
  RETURN_IF_ERROR(leases_.Check(hosted_.server, group_.lease_generation()));
  {
    const SyncWork work(hosted_, flow_.syncs, CommitCost(facts.interim), Weight());
    const WorkMeter::Span syncing(hosted_.meter, WorkMeter::kSync);
    GODWIT_FAILPOINT("worker.sync");
    ASSIGN_OR_RETURN(facts, group_.Commit(facts));
  }
  if (!facts.interim) hosted_.received_at_point = hosted_.received_bytes.load();
  // Who slept through the commit must not call it one: another worker may own the group by now.
  RETURN_IF_ERROR(leases_.Check(hosted_.server, group_.lease_generation()));
  epoch_begun_ = 0;
  if (!facts.interim) committed_(hosted_.server, group_.lease_generation(), facts);
  pb::WorkerFrame answer;
  pb::EpochCommitted& committed = *answer.mutable_epoch_committed();
  committed.set_epoch(facts.epoch);
  *committed.mutable_commit_time() =
      TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(facts.commit_time));
  committed.set_root_hash(facts.root_hash);
  SetTimes(hosted_.meter, committed.mutable_times());
  return Send(answer);
}

std::int64_t StreamSession::CommitCost(bool interim) {
  // A point makes layers of all that came since the one before.
  return interim ? lanes_.unsynced_bytes() : hosted_.received_bytes - hosted_.received_at_point;
}

absl::Status StreamSession::MakeDurable() {
  std::vector<std::uint64_t> upto;
  {
    const SyncWork work(hosted_, flow_.syncs, CommitCost(/*interim=*/true), Weight());
    const WorkMeter::Span syncing(hosted_.meter, WorkMeter::kSync);
    upto = lanes_.BeginSync();
    GODWIT_FAILPOINT("worker.sync");
    RETURN_IF_ERROR(group_.Sync());
  }
  GODWIT_FAILPOINT("worker.stream.before_ack");
  // Only now: a worker that slept through the sync must not promise what another one owns.
  RETURN_IF_ERROR(leases_.Check(hosted_.server, group_.lease_generation()));
  lanes_.Synced(std::move(upto));
  return absl::OkStatus();
}

absl::Status StreamSession::SendAck(const std::vector<SessionLanes::Position>& lanes) {
  pb::WorkerFrame frame;
  pb::Ack& ack = *frame.mutable_ack();
  ack.set_received_sequence(lanes[0].received);
  ack.set_durable_sequence(lanes[0].durable);
  for (std::size_t i = 1; i < lanes.size(); ++i) {
    pb::LaneAck& lane = *ack.add_lanes();
    lane.set_received_sequence(lanes[i].received);
    lane.set_durable_sequence(lanes[i].durable);
  }
  ack.set_credit_bytes(
      credit_.Bytes(lanes_.plain_bytes(), absl::Microseconds(round_trip_us_.load())));
  SetTimes(hosted_.meter, ack.mutable_times());
  return Send(frame);
}

void StreamSession::Acknowledge() {
  std::vector<SessionLanes::Position> told(static_cast<std::size_t>(lanes_.count()));
  absl::Time next_sync = SteadyNow() + options_.sync_interval;
  while (true) {
    lanes_.AwaitUrgent(options_.sync_bytes, options_.ack_interval);
    bool urgent = false;
    const bool pending = lanes_.Pending(options_.sync_bytes, &urgent);
    if (lanes_.Ended()) return;
    absl::Status status;
    if (pending && (urgent || SteadyNow() >= next_sync)) {
      status = MakeDurable();
      next_sync = SteadyNow() + options_.sync_interval;
    }
    std::vector<SessionLanes::Position> positions = lanes_.Positions();
    if (status.ok() && positions != told) {
      status = SendAck(positions);
      told = std::move(positions);
    }
    if (!status.ok()) return lanes_.End(status);
  }
}

}  // namespace godwit::worker
