// WatchReplications: present state of each server, then every change; or what changed after a
// token.
#pragma once

#include <grpcpp/server_context.h>

#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/pg/pool.h"
#include "services/common/rpc/identity.h"
#include "services/common/rpc/scope.h"
#include "services/replication/coordinator/domain/watch_place.h"

namespace godwit::coordinator {

// Thread-safe. Each stream holds a thread of the server; their number is bounded.
class ReplicationWatch {
 public:
  // `pool` must outlive it.
  explicit ReplicationWatch(pg::Pool& pool) : pool_(pool) {}

  // Until the client goes (OK), Stop() is called, or the database is away (UNAVAILABLE).
  // RESOURCE_EXHAUSTED: too many watch.
  absl::Status Serve(grpc::ServerContext& context,
                     const replication::v1::WatchReplicationsRequest& request,
                     grpc::ServerWriter<replication::v1::Replication>& writer);
  void Stop();

 private:
  absl::Status Watch(grpc::ServerContext& context, const rpc::Identity& peer,
                     const replication::v1::WatchReplicationsRequest& request,
                     grpc::ServerWriter<replication::v1::Replication>& writer);
  // What changed after `place` that `wanted` and `scope` leave in, each with its token, as of one
  // instant, and the place after it. At most kRound of all that changed.
  struct News {
    std::vector<replication::v1::Replication> messages;
    WatchPlace place;
    bool more = false;
  };
  absl::StatusOr<News> Look(const WatchPlace& place, const std::set<std::string>& wanted,
                            const rpc::Scope* scope);
  bool Sleep();

  pg::Pool& pool_;
  absl::Mutex mutex_;
  int watchers_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace godwit::coordinator
