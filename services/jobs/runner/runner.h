// Threads that claim due runs and execute them.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "services/jobs/runner/executor.h"
#include "services/jobs/runner/heartbeat.h"

namespace godwit::jobs {

struct RunnerOptions {
  int count = 4;        // runs worked on at once
  int most_of_job = 0;  // of these, of one job, counted over all processes; 0: any number
  absl::Duration lease = absl::Seconds(15);
  absl::Duration poll = absl::Seconds(1);  // how often an idle runner looks
  std::string owner;  // names this process for good: host, boot, process id and its start
};

// All references must outlive it. Thread-safe.
class RunnerPool {
 public:
  RunnerPool(JobStore& store, Clock& clock, const Plans& plans, RunnerOptions options);
  ~RunnerPool();
  // Looks at once: a job was created or is to be cancelled.
  void Wake();
  // Lets steps stop at their next check, gives leases back, joins. Idempotent.
  void Stop();

 private:
  void Loop();
  // True when there was something to do.
  bool WorkOnce();

  JobStore& store_;
  Clock& clock_;
  const Plans& plans_;
  const RunnerOptions options_;
  std::atomic<bool> stopping_{false};
  Heartbeat heartbeat_;
  Executor executor_;
  absl::Mutex mutex_;
  std::uint64_t wakes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::thread> threads_;
};

// "host/boot id/process id/start time".
std::string ProcessOwner();

}  // namespace godwit::jobs
