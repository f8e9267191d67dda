// Renews the leases of all runners of this process from a thread of its own, at a third of their
// time.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "services/common/base/clock.h"
#include "services/jobs/app/job_store.h"
#include "services/jobs/runner/lease.h"

namespace godwit::jobs {

// `store` and `clock` must outlive it. Thread-safe.
class Heartbeat {
 public:
  Heartbeat(JobStore& store, Clock& clock, absl::Duration ttl);
  ~Heartbeat();
  void Add(std::shared_ptr<HeldLease> lease);
  void Remove(const std::shared_ptr<HeldLease>& lease);
  // Renews now: somebody may have asked to cancel.
  void Nudge();
  void Stop();

 private:
  void Loop();
  void RenewAll();

  JobStore& store_;
  Clock& clock_;
  const absl::Duration ttl_;
  absl::Mutex mutex_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool nudged_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::shared_ptr<HeldLease>> leases_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace godwit::jobs
