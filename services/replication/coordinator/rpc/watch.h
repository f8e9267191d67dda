// WatchReplications: present state of each server, then every change.
#pragma once

#include <grpcpp/server_context.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/pg/pool.h"
#include "services/common/rpc/identity.h"

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
  bool Sleep();

  pg::Pool& pool_;
  absl::Mutex mutex_;
  int watchers_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace godwit::coordinator
