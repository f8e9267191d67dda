// A lease as its holder sees it, shared between the runner that works under it and the heartbeat.
#pragma once

#include <atomic>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/jobs/app/job_store.h"

namespace godwit::jobs {

// Thread-safe. The holder stops by its own monotonic clock at two thirds of the lease after the
// last successful renewal was *sent*: before anybody else may own the run, whatever the network
// does.
class HeldLease {
 public:
  HeldLease(Lease lease, absl::Duration ttl, absl::Duration sent_at, Clock& clock)
      : lease_(lease), ttl_(ttl), clock_(clock), renewed_(sent_at) {}

  const Lease& lease() const { return lease_; }
  absl::Duration ttl() const { return ttl_; }
  bool Lost() const {
    const absl::MutexLock guard(&mutex_);
    return lost_ || clock_.Monotonic() > renewed_ + ttl_ * 2 / 3;
  }
  bool CancelRequested() const { return cancel_; }

  void Renewed(absl::Duration sent_at, bool cancel_requested) {
    const absl::MutexLock guard(&mutex_);
    renewed_ = std::max(renewed_, sent_at);
    if (cancel_requested) cancel_ = true;
  }
  void MarkLost() {
    const absl::MutexLock guard(&mutex_);
    lost_ = true;
  }

 private:
  const Lease lease_;
  const absl::Duration ttl_;
  Clock& clock_;
  mutable absl::Mutex mutex_;
  absl::Duration renewed_ ABSL_GUARDED_BY(mutex_);
  bool lost_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<bool> cancel_{false};
};

}  // namespace godwit::jobs
