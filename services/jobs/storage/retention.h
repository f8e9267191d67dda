// Forgets jobs and wave runs that ended long ago. What has not ended, and what a machine that still
// exists came from, stays.
#pragma once

#include <cstdint>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/pg/pool.h"

namespace godwit::jobs {

// Deletes wave runs with their groups, members, events and requests, the oldest first, at most
// `most`; how many. Two processes that do it at once do not wait for each other.
absl::StatusOr<std::int64_t> ForgetWaveRuns(pg::Pool& pool, absl::Duration age, int most);
// The same of jobs, with their steps, logs and screens. Those stay that a wave run which has not
// ended names.
absl::StatusOr<std::int64_t> ForgetJobs(pg::Pool& pool, absl::Duration age, int most);

struct RetentionOptions {
  absl::Duration wave_runs = absl::Hours(24 * 90);  // since they ended
  absl::Duration jobs = absl::Hours(24 * 365);
  absl::Duration look = absl::Minutes(1);  // between looks
  int batch = 50;                          // rows of one transaction
};

// Does both until it is destroyed, by a thread of its own; what cannot be done is logged and tried
// again. The pool must outlive it.
class Retention {
 public:
  Retention(pg::Pool& pool, RetentionOptions options);
  ~Retention();
  Retention(const Retention&) = delete;
  Retention& operator=(const Retention&) = delete;

 private:
  void Loop();
  void Look();
  bool Stopping();

  pg::Pool& pool_;
  const RetentionOptions options_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace godwit::jobs
