// One connection to the worker: protos/godwit/replication/v1/block_stream.proto from the agent's
// side. Keeps the window, remembers what is not durable yet, and hands answers on.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "agent/engine/bottleneck.h"
#include "agent/engine/source_disk.h"
#include "godwit/replication/v1/block_stream.grpc.pb.h"

namespace godwit::agent {

// What was sent and is not durable yet.
struct InFlight {
  std::uint64_t sequence = 0;
  std::uint32_t disk = 0;
  BlockGroup blocks;                             // of a Data frame
  std::uint64_t zero_first = 0, zero_count = 0;  // of a Zero frame
  std::int64_t bytes = 0;                        // plain
};

// Send* are called by one thread; answers come on the session's own thread.
class BlockSession {
 public:
  struct Callbacks {
    // In the order of sending.
    std::function<void(const InFlight&)> durable;
    std::function<void(const replication::v1::HashDiff&)> hash_diff;
  };
  // Opens the stream and waits for Opened (at most 60 s; the store may have to read its digests).
  static absl::StatusOr<std::unique_ptr<BlockSession>> Open(std::shared_ptr<grpc::Channel> channel,
                                                            const replication::v1::Open& open,
                                                            Callbacks callbacks);
  // Ends the stream at once.
  ~BlockSession();
  const replication::v1::Opened& opened() const { return opened_; }

  // Send once the window has room. What the frame carries is in `in_flight` (without sequence). The
  // status of the stream when it ended.
  absl::Status Send(replication::v1::AgentFrame frame, InFlight in_flight);
  // Everything sent so far is durable; asks for it at once. DEADLINE_EXCEEDED after `patience`.
  absl::Status Flush(absl::Duration patience);
  // After EpochCommit was sent: its answer.
  absl::StatusOr<replication::v1::EpochCommitted> AwaitCommitted(std::int64_t epoch,
                                                                 absl::Duration patience);
  // Why the stream ended; OK while it is open.
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
  // Plain bytes that are not durable.
  std::int64_t unacknowledged_bytes();

 private:
  BlockSession(std::shared_ptr<grpc::Channel> channel, Callbacks callbacks);
  void ReceiveLoop();
  void Take(const replication::v1::WorkerFrame& frame);
  void Learn(const replication::v1::WorkerTimes& times) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::unique_ptr<replication::v1::BlockStream::Stub> stub_;
  const Callbacks callbacks_;
  grpc::ClientContext context_;
  std::unique_ptr<
      grpc::ClientReaderWriter<replication::v1::AgentFrame, replication::v1::WorkerFrame>>
      stream_;
  replication::v1::Opened opened_;
  std::thread receiver_;

  absl::Mutex mutex_;
  std::deque<InFlight> in_flight_ ABSL_GUARDED_BY(mutex_);  // not durable
  std::deque<std::pair<std::uint64_t, std::int64_t>> window_
      ABSL_GUARDED_BY(mutex_);  // not received: sequence, bytes
  std::int64_t window_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t unacknowledged_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t credit_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t durable_ ABSL_GUARDED_BY(mutex_) = 0;
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
  absl::Time wait_since_ ABSL_GUARDED_BY(mutex_) = absl::Now();
};

}  // namespace godwit::agent
