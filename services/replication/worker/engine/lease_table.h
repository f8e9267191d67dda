// The leases a worker holds, as the coordinator's last answer has them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/replication/worker/store/store.h"

namespace godwit::worker {

struct Lease {
  std::int64_t generation = 0;
  double weight = 1;  // share of the worker that the server gets beside others
  std::vector<store::DiskSpec> disks;
  bool encrypt = false;  // the settings want the group encrypted at rest
};

// Thread-safe. Times are of a clock that counts suspension, so that a worker that was paused
// notices.
class LeaseTable {
 public:
  explicit LeaseTable(Clock& clock) : clock_(clock) {}

  // The answer to a heartbeat that was sent at `asked` (Clock::Monotonic).
  void Renew(absl::Duration asked, absl::Duration duration, std::map<std::string, Lease> leases);
  // Another process has the worker's name now.
  void DropAll();
  std::optional<Lease> Find(const std::string& server) const;
  // Of the lease; 1 without one.
  double Weight(const std::string& server) const;
  // OK while the group may be acknowledged under `generation`: the lease is held and less than two
  // thirds over. ABORTED: held no more or by another generation. UNAVAILABLE: not renewed in time.
  absl::Status Check(const std::string& server, std::int64_t generation) const;

 private:
  Clock& clock_;
  mutable absl::Mutex mutex_;
  std::map<std::string, Lease> leases_ ABSL_GUARDED_BY(mutex_);
  absl::Duration stop_at_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
};

}  // namespace godwit::worker
