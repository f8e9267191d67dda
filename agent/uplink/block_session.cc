#include "agent/uplink/block_session.h"

#include <grpcpp/channel.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace pb = ::godwit::replication::v1;

namespace {
// The first answer; afterwards silence is found by the engine's own deadlines and by keepalive.
constexpr absl::Duration kOpenPatience = absl::Seconds(60);
// A worker that does not even receive for so long is gone.
constexpr absl::Duration kWindowPatience = absl::Seconds(120);

absl::Duration ThreadTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return absl::DurationFromTimespec(time);
}

// How long this thread could have run and had no processor; zero where the kernel does not tell.
absl::Duration RunDelay() {
  const absl::StatusOr<std::string> text = ReadFile("/proc/thread-self/schedstat", 256);
  long long run = 0, delay = 0;
  if (!text.ok() || std::sscanf(text->c_str(), "%lld %lld", &run, &delay) != 2)
    return absl::ZeroDuration();
  return absl::Nanoseconds(delay);
}

WorkerWork WorkBetween(const pb::WorkerTimes& from, const pb::WorkerTimes& to) {
  const auto since = [](std::int64_t before, std::int64_t now) {
    return absl::Microseconds(std::max<std::int64_t>(now - before, 0));
  };
  return {.verify = since(from.verify_micros(), to.verify_micros()),
          .write = since(from.write_micros(), to.write_micros()),
          .sync = since(from.sync_micros(), to.sync_micros()),
          .turn = since(from.turn_micros(), to.turn_micros()),
          .limit = since(from.limit_micros(), to.limit_micros()),
          .database = since(from.database_micros(), to.database_micros())};
}

}  // namespace

absl::StatusOr<std::unique_ptr<BlockSession>> BlockSession::Open(const Dial& dial, pb::Open open,
                                                                 Callbacks callbacks) {
  std::unique_ptr<BlockSession> session(new BlockSession(std::move(callbacks)));
  const absl::Time deadline = SteadyNow() + kOpenPatience;
  open.set_lane(0);
  RETURN_IF_ERROR(session->AddLane(dial, open, deadline));
  // A worker that knows no lanes says 0.
  open.set_lane_count(std::clamp(session->opened_.lane_count(), 1, open.lane_count()));
  {
    absl::MutexLock lock(&session->mutex_);
    session->in_flight_ = InFlightList(open.lane_count());
  }
  for (int lane = 1; lane < open.lane_count(); ++lane) {
    open.set_lane(lane);
    RETURN_IF_ERROR(session->AddLane(dial, open, deadline));
  }
  if (open.lane_count() > 1) {
    for (const auto& lane : session->lanes_) lane->StartWriter();
  }
  return session;
}

absl::Status BlockSession::AddLane(const Dial& dial, const pb::Open& open, absl::Time deadline) {
  const int number = open.lane();
  auto lane = std::make_unique<Lane>(
      dial(), open,
      Lane::Callbacks{
          .frame = [this, number](const pb::WorkerFrame& frame) { Take(number, frame); },
          .ended = [this](const absl::Status& status) { End(status); }});
  absl::MutexLock lock(&mutex_);
  lanes_.push_back(std::move(lane));
  const auto answered = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ended_ || opened_lanes_ > number;
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&answered), deadline - SteadyNow()))
    return absl::UnavailableError("the worker did not answer within 60 s");
  return ended_ ? status_ : absl::OkStatus();
}

BlockSession::~BlockSession() {
  std::vector<std::unique_ptr<Lane>> lanes;
  {
    absl::MutexLock lock(&mutex_);
    lanes.swap(lanes_);
  }
}

void BlockSession::End(absl::Status status) {
  if (status.ok()) status = absl::UnavailableError("the worker ended the stream");
  absl::MutexLock lock(&mutex_);
  if (!std::exchange(ended_, true)) status_ = std::move(status);
  // One lane may be stuck where another one ended.
  for (const auto& lane : lanes_) lane->Break();
}

void BlockSession::TakeAck(const pb::Ack& ack, std::vector<InFlight>* durable) {
  if (ack.lanes_size() != in_flight_.lanes() - 1) return;  // of another session's shape
  const absl::Duration now = RealClock().Monotonic();
  std::vector<std::uint64_t> upto = {ack.durable_sequence()};
  for (int lane = 0; lane < in_flight_.lanes(); ++lane) {
    const std::uint64_t received =
        lane == 0 ? ack.received_sequence() : ack.lanes(lane - 1).received_sequence();
    if (lane > 0) upto.push_back(ack.lanes(lane - 1).durable_sequence());
    if (const auto sample = in_flight_.Received(lane, received, now)) round_trip_.Add(*sample, now);
  }
  *durable = in_flight_.Durable(upto);
  if (ack.credit_bytes() > 0) credit_ = ack.credit_bytes();
  if (ack.has_times()) Learn(ack.times());
}

void BlockSession::Take(int lane, const pb::WorkerFrame& frame) {
  std::vector<InFlight> done;
  if (frame.has_ended()) {
    return End(
        absl::Status(static_cast<absl::StatusCode>(frame.ended().code()), frame.ended().message()));
  }
  {
    absl::MutexLock lock(&mutex_);
    if (frame.has_opened()) {
      ++opened_lanes_;
      if (lane == 0) {
        opened_ = frame.opened();
        credit_ = std::max<std::int64_t>(opened_.credit_bytes(), 1);
      }
    }
    if (lane != 0) return;
    if (frame.has_ack()) {
      TakeAck(frame.ack(), &done);
    } else if (frame.has_epoch_committed()) {
      committed_ = frame.epoch_committed();
      if (committed_.has_times()) Learn(committed_.times());
    }
  }
  // Outside of the lock: the engine may be waiting in Send with its own.
  for (const InFlight& sent : done) callbacks_.durable(sent);
  if (frame.has_hash_diff()) callbacks_.hash_diff(frame.hash_diff());
  if (frame.has_ack()) {
    // Only after the states say so: a Flush that returns means that they do.
    absl::MutexLock lock(&mutex_);
    durable_ = std::max<std::uint64_t>(durable_, frame.ack().durable_sequence());
  }
}

bool BlockSession::Room(const pb::AgentFrame& frame, const InFlight& in_flight, int* lane) const {
  *lane = 0;
  if (ended_) return true;
  if (frame.has_data() || frame.has_zero()) {
    const std::optional<int> free = in_flight_.LaneFor(in_flight);
    if (!free) return false;
    *lane = *free;
  }
  const std::int64_t window = in_flight_.window_bytes();
  return window == 0 || window + in_flight.bytes <= credit_;
}

void BlockSession::Learn(const pb::WorkerTimes& times) {
  told_ = times;
  if (!taken_) taken_ = told_;  // what was before this session
}

absl::Status BlockSession::Send(pb::AgentFrame frame, InFlight in_flight) {
  int lane = 0;
  {
    absl::MutexLock lock(&mutex_);
    const auto room = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return Room(frame, in_flight, &lane);
    };
    if (!room()) {
      const absl::Time from = SteadyNow();
      const bool waited = mutex_.AwaitWithTimeout(absl::Condition(&room), kWindowPatience);
      waited_ += SteadyNow() - from;
      waits_.worker += SteadyNow() - from;
      if (!waited) return absl::UnavailableError("the worker took nothing for two minutes");
    }
    if (ended_) return status_;
    frame.set_sequence(in_flight_.Add(lane, in_flight, RealClock().Monotonic()));
    if (lane == 0) frame.set_round_trip_us(round_trip_.Microseconds());
    if (!frame.has_data() && !frame.has_zero()) {
      for (int other = 1; other < in_flight_.lanes(); ++other)
        frame.add_after(in_flight_.sequence(other));
    }
    if (in_flight.bytes > 0) {
      plain_bytes_ += in_flight.bytes;
      wire_bytes_ += static_cast<std::int64_t>(frame.ByteSizeLong());
    }
  }
  const absl::Time from = SteadyNow();
  const absl::Duration used = ThreadTime();
  if (lanes_[static_cast<std::size_t>(lane)]->Write(std::move(frame))) {
    // Neither running nor wanting to: HTTP/2's window or the line held it up.
    const absl::Duration blocked = SteadyNow() - from - (ThreadTime() - used);
    absl::MutexLock lock(&mutex_);
    waited_ += std::max(blocked, absl::ZeroDuration());
    waits_.line += std::max(blocked, absl::ZeroDuration());
    return absl::OkStatus();
  }
  // The reason arrives with the end of the reading side.
  absl::MutexLock lock(&mutex_);
  const auto ended = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ended_; };
  mutex_.AwaitWithTimeout(absl::Condition(&ended), absl::Seconds(5));
  return ended_ ? status_ : absl::UnavailableError("the stream broke");
}

absl::Status BlockSession::Flush(absl::Duration patience) {
  pb::AgentFrame frame;
  frame.mutable_flush();
  RETURN_IF_ERROR(Send(std::move(frame), {}));
  absl::MutexLock lock(&mutex_);
  const std::uint64_t upto = in_flight_.sequence(0);
  const auto durable = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ended_ || durable_ >= upto;
  };
  const absl::Time from = SteadyNow();
  const bool in_time = mutex_.AwaitWithTimeout(absl::Condition(&durable), patience);
  waits_.worker += SteadyNow() - from;
  if (!in_time) {
    return absl::DeadlineExceededError("the worker did not make the data durable in time");
  }
  return durable_ >= upto ? absl::OkStatus() : status_;
}

absl::StatusOr<pb::EpochCommitted> BlockSession::AwaitCommitted(std::int64_t epoch,
                                                                absl::Duration patience) {
  absl::MutexLock lock(&mutex_);
  const auto committed = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ended_ || committed_.epoch() == epoch;
  };
  const absl::Time from = SteadyNow();
  const bool in_time = mutex_.AwaitWithTimeout(absl::Condition(&committed), patience);
  waits_.worker += SteadyNow() - from;
  if (!in_time) {
    return absl::DeadlineExceededError("the worker did not commit the point in time");
  }
  if (committed_.epoch() != epoch) return status_;
  return committed_;
}

absl::Status BlockSession::Ended() {
  absl::MutexLock lock(&mutex_);
  return ended_ ? status_ : absl::OkStatus();
}

int BlockSession::TakeWaitPermille() {
  const absl::Duration runnable = RunDelay();
  absl::MutexLock lock(&mutex_);
  const absl::Time now = SteadyNow();
  // Time without a processor is no sign of a slow line.
  waited_ = std::max(waited_ - (runnable - runnable_before_), absl::ZeroDuration());
  runnable_before_ = runnable;
  const double share =
      absl::FDivDuration(waited_, std::max(now - wait_since_, absl::Milliseconds(1)));
  waited_ = absl::ZeroDuration();
  wait_since_ = now;
  return static_cast<int>(std::min(1.0, share) * 1000);
}

BlockSession::Waits BlockSession::TakeWaits() {
  const absl::Duration running = ThreadTime();
  absl::MutexLock lock(&mutex_);
  Waits waits = std::exchange(waits_, {});
  waits.running = running - std::exchange(running_before_, running);
  if (told_) waits.work = WorkBetween(*std::exchange(taken_, told_), *told_);
  return waits;
}

std::int64_t BlockSession::wire_bytes() {
  absl::MutexLock lock(&mutex_);
  return wire_bytes_;
}

std::int64_t BlockSession::plain_bytes() {
  absl::MutexLock lock(&mutex_);
  return plain_bytes_;
}

bool BlockSession::AllDurable() {
  absl::MutexLock lock(&mutex_);
  return in_flight_.empty();
}

}  // namespace godwit::agent
