// WatchReplications: present state of each server, then every change; or what changed after a
// token. What leaves the fleet, or what the reader may see, is told as deleted.
#pragma once

#include <grpcpp/server_context.h>

#include <optional>
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
  // What one stream shows: it is the stream's own thread's.
  struct Stream {
    std::set<std::string> wanted;  // ids; empty: all
    bool show_deleted = false;
    WatchPlace place;
    // Ids of what the reader was shown, or will be by what is not sent yet; nullopt: no look yet.
    std::optional<std::set<std::string>> shown;
  };
  // Messages, each with its token, as of one instant. `more`: not all that changed is in them.
  struct News {
    std::vector<replication::v1::Replication> messages;
    bool more = false;
  };
  // What changed after the stream's place that it wants and `scope` leaves in, at most kRound of
  // all that changed; before that what went and what came without a change. Moves the place.
  absl::StatusOr<News> Look(Stream& stream, const rpc::Scope* scope);
  // Ids that went from `stream.shown`, and that came to it and are not among `changed`.
  struct Moves {
    std::vector<std::string> gone, came;
  };
  static absl::StatusOr<Moves> TakeMoves(pg::Connection& connection, const rpc::Scope* scope,
                                         const std::vector<WatchRow>& changed, Stream& stream);
  bool Sleep();

  pg::Pool& pool_;
  absl::Mutex mutex_;
  int watchers_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace godwit::coordinator
