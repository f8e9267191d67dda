// Keeps what the replication service says of the servers' replication, for the status of
// applications and waves, and has events made of what changed. Several registries may do it side by
// side: only what changed is written. Thread-safe.
#pragma once

#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/pg/pool.h"
#include "services/registry/domain/replication_told.h"

namespace godwit::replication::v1 {
class ListReplicationsResponse;
}
namespace grpc {
class Channel;
}

namespace godwit::registry {

class HealthFollower {
 public:
  struct Options {
    absl::Duration pause = absl::Seconds(10);  // between looks; at least 20 times what one took
    absl::Duration call_timeout = absl::Seconds(10);
    absl::Duration lag = absl::Minutes(1);  // from here on a server lags, for its groups
    ToldLimits told;                        // of events
  };
  // The pool must outlive it.
  HealthFollower(pg::Pool& pool, std::shared_ptr<grpc::Channel> replication, Options options);
  ~HealthFollower();
  void Start();
  void Stop();  // idempotent; waits for a call that is under way

  // One look at all servers, a page at a time.
  absl::Status Look();

 private:
  void Loop();
  // Of a page of a look that began at `start`, by the database's clock.
  absl::Status Save(const replication::v1::ListReplicationsResponse& page, absl::Time start);
  bool Stopping();

  pg::Pool& pool_;
  const std::shared_ptr<grpc::Channel> replication_;
  const Options options_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace godwit::registry
