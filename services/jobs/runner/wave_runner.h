// Threads that claim due wave runs and drive them. Each claim is one visit: what can be done now is
// done, then the lease is given back until the next look.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/clock.h"
#include "services/jobs/runner/wave_actions.h"

namespace godwit::jobs {

struct WaveRunnerOptions {
  int count = 2;  // runs visited at once
  absl::Duration lease = absl::Seconds(15);
  absl::Duration poll = absl::Milliseconds(500);  // how often an idle thread looks
  absl::Duration look = absl::Milliseconds(500);  // between visits of a run under way
  std::string owner;
};

// One visit of a claimed run: calls, looks, checks, until nothing changes any more. `stopping` is
// asked between calls. Gives the lease back. Not thread-safe.
absl::Status VisitWaveRun(const WaveEnvironment& environment, const ClaimedWaveRun& claimed,
                          const WaveRunnerOptions& options, Clock& clock,
                          const std::atomic<bool>& stopping);

// All references must outlive it. Thread-safe.
class WaveRunners {
 public:
  WaveRunners(const WaveEnvironment& environment, Clock& clock, WaveRunnerOptions options);
  ~WaveRunners();
  // Looks at once: a run was made or changed.
  void Wake();
  // Ends visits at their next call and joins. Idempotent.
  void Stop();

 private:
  void Serve();

  const WaveEnvironment environment_;
  Clock& clock_;
  const WaveRunnerOptions options_;
  std::atomic<bool> stopping_{false};
  absl::Mutex mutex_;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_;
};

}  // namespace godwit::jobs
