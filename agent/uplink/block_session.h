// One session with the worker: protos/godwit/replication/v1/block_stream.proto from the agent's
// side. Spreads blocks over its lanes, keeps the window, remembers what is not durable yet, and
// hands answers on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "agent/engine/bottleneck.h"
#include "agent/uplink/in_flight.h"
#include "agent/uplink/lane.h"
#include "agent/uplink/round_trip.h"
#include "godwit/replication/v1/block_stream.grpc.pb.h"
#include "services/common/base/clock.h"

namespace godwit::agent {

// Send is called by one thread; answers come on threads of the session.
class BlockSession {
 public:
  struct Callbacks {
    // In the order of sending.
    std::function<void(const InFlight&)> durable;
    std::function<void(const replication::v1::HashDiff&)> hash_diff;
  };
  // A channel with a connection of its own.
  using Dial = std::function<std::shared_ptr<grpc::Channel>()>;
  // Opens open.lane_count lanes, or as many as the worker grants, and waits for Opened (at most 60
  // s; the store may have to read its digests).
  static absl::StatusOr<std::unique_ptr<BlockSession>> Open(const Dial& dial,
                                                            replication::v1::Open open,
                                                            Callbacks callbacks);
  // Ends the streams at once.
  ~BlockSession();
  const replication::v1::Opened& opened() const { return opened_; }
  int lanes() const { return static_cast<int>(lanes_.size()); }

  // Send once the window has room. What the frame carries is in `in_flight`. The status of the
  // session when it ended.
  absl::Status Send(replication::v1::AgentFrame frame, InFlight in_flight);
  // Everything sent so far is durable; asks for it at once. DEADLINE_EXCEEDED after `patience`.
  absl::Status Flush(absl::Duration patience);
  // After EpochCommit was sent: its answer.
  absl::StatusOr<replication::v1::EpochCommitted> AwaitCommitted(std::int64_t epoch,
                                                                 absl::Duration patience);
  // Why the session ended; OK while it is open.
  absl::Status Ended();

  // Share of the time since the last call that Send waited for the window or the line, 0 to 1000.
  // By the thread that sends.
  int TakeWaitPermille();
  // Where the time of the thread that sends went since the last call: waiting for HTTP/2's window
  // or the line; for the worker to take or commit what it has; running. By that thread.
  struct Waits {
    absl::Duration line, worker, running;
    std::optional<WorkerWork> work;  // of the worker meanwhile; nullopt: it does not tell
  };
  Waits TakeWaits();
  std::int64_t wire_bytes();
  std::int64_t plain_bytes();
  // All blocks that were sent are durable.
  bool AllDurable();

 private:
  explicit BlockSession(Callbacks callbacks) : callbacks_(std::move(callbacks)) {}
  // Opens the lane and waits for the answer until `deadline`.
  absl::Status AddLane(const Dial& dial, const replication::v1::Open& open, absl::Time deadline);
  void Take(int lane, const replication::v1::WorkerFrame& frame);
  void TakeAck(const replication::v1::Ack& ack, std::vector<InFlight>* durable)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Learn(const replication::v1::WorkerTimes& times) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The first one is told to whoever asks.
  void End(absl::Status status);
  bool Room(const replication::v1::AgentFrame& frame, const InFlight& in_flight, int* lane) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const Callbacks callbacks_;
  replication::v1::Opened opened_;
  std::vector<std::unique_ptr<Lane>> lanes_;  // grow in Open only; then under mutex_

  absl::Mutex mutex_;
  int opened_lanes_ ABSL_GUARDED_BY(mutex_) = 0;
  InFlightList in_flight_ ABSL_GUARDED_BY(mutex_){1};
  RoundTrip round_trip_ ABSL_GUARDED_BY(mutex_);
  std::int64_t credit_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t durable_ ABSL_GUARDED_BY(mutex_) = 0;  // of lane 0
  std::int64_t wire_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t plain_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  replication::v1::EpochCommitted committed_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  absl::Duration waited_ ABSL_GUARDED_BY(mutex_);
  absl::Duration runnable_before_, running_before_;  // of the thread that sends
  Waits waits_ ABSL_GUARDED_BY(mutex_);
  // What the worker told, and that of it which TakeWaits gave already.
  std::optional<replication::v1::WorkerTimes> told_ ABSL_GUARDED_BY(mutex_), taken_
      ABSL_GUARDED_BY(mutex_);
  absl::Time wait_since_ ABSL_GUARDED_BY(mutex_) = SteadyNow();
};

}  // namespace godwit::agent
