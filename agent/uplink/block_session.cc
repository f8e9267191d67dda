#include "agent/uplink/block_session.h"

#include <grpcpp/channel.h>
#include <time.h>

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"

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

BlockSession::BlockSession(std::shared_ptr<grpc::Channel> channel, Callbacks callbacks)
    : stub_(pb::BlockStream::NewStub(channel)), callbacks_(std::move(callbacks)) {}

absl::StatusOr<std::unique_ptr<BlockSession>> BlockSession::Open(
    std::shared_ptr<grpc::Channel> channel, const pb::Open& open, Callbacks callbacks) {
  std::unique_ptr<BlockSession> session(new BlockSession(std::move(channel), std::move(callbacks)));
  session->stream_ = session->stub_->Replicate(&session->context_);
  session->receiver_ = std::thread([raw = session.get()] { raw->ReceiveLoop(); });
  pb::AgentFrame frame;
  *frame.mutable_open() = open;
  session->stream_->Write(frame);
  absl::MutexLock lock(&session->mutex_);
  const auto answered = [raw = session.get()]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return raw->ended_ || raw->credit_ > 0;
  };
  if (!session->mutex_.AwaitWithTimeout(absl::Condition(&answered), kOpenPatience)) {
    session->context_.TryCancel();
    return absl::UnavailableError("the worker did not answer within 60 s");
  }
  if (session->ended_) {
    return session->status_.ok() ? absl::UnavailableError("the worker ended the stream")
                                 : session->status_;
  }
  return session;
}

BlockSession::~BlockSession() {
  context_.TryCancel();
  if (receiver_.joinable()) receiver_.join();
}

void BlockSession::ReceiveLoop() {
  pb::WorkerFrame frame;
  while (stream_->Read(&frame)) Take(frame);
  const absl::Status status = rpc::FromGrpc(stream_->Finish());
  absl::MutexLock lock(&mutex_);
  if (std::exchange(ended_, true)) return;  // the worker told why
  status_ = status.ok() ? absl::UnavailableError("the worker ended the stream") : status;
}

void BlockSession::Take(const pb::WorkerFrame& frame) {
  std::vector<InFlight> done;
  {
    absl::MutexLock lock(&mutex_);
    if (frame.has_opened()) {
      opened_ = frame.opened();
      credit_ = std::max<std::int64_t>(opened_.credit_bytes(), 1);
    } else if (frame.has_ack()) {
      const pb::Ack& ack = frame.ack();
      while (!window_.empty() && window_.front().first <= ack.received_sequence()) {
        window_bytes_ -= window_.front().second;
        window_.pop_front();
      }
      while (!in_flight_.empty() && in_flight_.front().sequence <= ack.durable_sequence()) {
        unacknowledged_ -= in_flight_.front().bytes;
        done.push_back(in_flight_.front());
        in_flight_.pop_front();
      }
      if (ack.credit_bytes() > 0) credit_ = ack.credit_bytes();
      if (ack.has_times()) Learn(ack.times());
    } else if (frame.has_epoch_committed()) {
      committed_ = frame.epoch_committed();
      if (committed_.has_times()) Learn(committed_.times());
    } else if (frame.has_ended()) {
      ended_ = true;
      status_ = absl::Status(static_cast<absl::StatusCode>(frame.ended().code()),
                             frame.ended().message());
      if (status_.ok()) status_ = absl::UnavailableError("the worker ended the stream");
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

void BlockSession::Learn(const pb::WorkerTimes& times) {
  told_ = times;
  if (!taken_) taken_ = told_;  // what was before this session
}

absl::Status BlockSession::Send(pb::AgentFrame frame, InFlight in_flight) {
  {
    absl::MutexLock lock(&mutex_);
    const auto room = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return ended_ || window_bytes_ == 0 || window_bytes_ + in_flight.bytes <= credit_;
    };
    if (!room()) {
      const absl::Time from = absl::Now();
      const bool waited = mutex_.AwaitWithTimeout(absl::Condition(&room), kWindowPatience);
      waited_ += absl::Now() - from;
      waits_.worker += absl::Now() - from;
      if (!waited) return absl::UnavailableError("the worker took nothing for two minutes");
    }
    if (ended_) return status_;
    in_flight.sequence = ++sequence_;
    frame.set_sequence(sequence_);
    if (in_flight.bytes > 0) {
      window_.emplace_back(sequence_, in_flight.bytes);
      window_bytes_ += in_flight.bytes;
      plain_bytes_ += in_flight.bytes;
      wire_bytes_ += static_cast<std::int64_t>(frame.ByteSizeLong());
    }
    if (in_flight.bytes > 0 || in_flight.zero_count > 0) {
      in_flight_.push_back(in_flight);
      unacknowledged_ += in_flight.bytes;
    }
  }
  const absl::Time from = absl::Now();
  const absl::Duration used = ThreadTime();
  if (stream_->Write(frame)) {
    // Neither running nor wanting to: HTTP/2's window or the line held it up.
    const absl::Duration blocked = absl::Now() - from - (ThreadTime() - used);
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
  const std::uint64_t upto = sequence_;
  const auto durable = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return ended_ || durable_ >= upto;
  };
  const absl::Time from = absl::Now();
  const bool in_time = mutex_.AwaitWithTimeout(absl::Condition(&durable), patience);
  waits_.worker += absl::Now() - from;
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
  const absl::Time from = absl::Now();
  const bool in_time = mutex_.AwaitWithTimeout(absl::Condition(&committed), patience);
  waits_.worker += absl::Now() - from;
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
  const absl::Time now = absl::Now();
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

std::int64_t BlockSession::unacknowledged_bytes() {
  absl::MutexLock lock(&mutex_);
  return unacknowledged_;
}

}  // namespace godwit::agent
