// Heartbeats wait for their turn without a thread each: a fleet of thousands may report at once.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/replication/coordinator/engine/agent_reports.h"

namespace godwit::coordinator {

// Thread-safe. Two threads save what waits, all of it at once: what comes while they are busy or
// within kGather after the transaction before makes the next one, so a lone heartbeat waits for
// nobody and many cost few transactions. What needs a transaction of its own
// gets it from other threads and holds up nobody else.
class HeartbeatQueue {
 public:
  using Done = std::function<void(absl::StatusOr<AgentAnswer>)>;

  // Both must outlive it.
  HeartbeatQueue(AgentReports& reports, Clock& clock);
  // Answers CANCELLED to those who wait.
  ~HeartbeatQueue();

  // Returns at once. `done` is called exactly once, perhaps before that, with the answer of
  // AgentReports or RESOURCE_EXHAUSTED: too many wait; DEADLINE_EXCEEDED: `patience` was over
  // before its turn. It must not block.
  void Add(AgentReport report, absl::Duration patience, Done done);

 private:
  static constexpr std::size_t kMostWaiting = 50000;
  static constexpr std::size_t kMostTogether = 256;
  static constexpr absl::Duration kGather = absl::Milliseconds(10);
  static constexpr int kTransactions = 2;
  static constexpr int kAlone = 8;
  struct Waiting {
    AgentReport report;
    std::string request_id;
    absl::Duration until;  // of the clock
    Done done;
  };

  // Both block until there is one. Empty: it ends.
  std::vector<Waiting> TakeTogether();
  std::vector<Waiting> TakeOne();
  // Those who came first.
  static std::vector<Waiting> Take(std::deque<Waiting>& from, std::size_t most);
  void SaveTogether();
  void SaveAlone();

  AgentReports& reports_;
  Clock& clock_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // When a thread last took some, of the clock.
  absl::Duration taken_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();
  std::deque<Waiting> new_ ABSL_GUARDED_BY(mutex_), alone_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace godwit::coordinator
