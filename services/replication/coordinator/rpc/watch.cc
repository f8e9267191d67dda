#include "services/replication/coordinator/rpc/watch.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/replication/coordinator/rpc/convert.h"
#include "services/replication/coordinator/rpc/fields.h"
#include "services/replication/coordinator/store/server_store.h"

namespace godwit::coordinator {
namespace {

namespace pb = ::godwit::replication::v1;

constexpr int kMostWatchers = 16;
constexpr int kMostNames = 1000;
constexpr absl::Duration kPoll = absl::Seconds(1);

}  // namespace

absl::Status ReplicationWatch::Serve(grpc::ServerContext& context,
                                     const pb::WatchReplicationsRequest& request,
                                     grpc::ServerWriter<pb::Replication>& writer) {
  ASSIGN_OR_RETURN(const rpc::Call call,
                   rpc::Admit(context, "replication.WatchReplications", rpc::kReaders));
  {
    absl::MutexLock lock(&mutex_);
    if (watchers_ >= kMostWatchers) {
      return absl::ResourceExhaustedError("too many watch already; list instead");
    }
    ++watchers_;
  }
  const absl::Status status = Watch(context, call.peer, request, writer);
  absl::MutexLock lock(&mutex_);
  --watchers_;
  return status;
}

void ReplicationWatch::Stop() {
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
}

bool ReplicationWatch::Sleep() {
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kPoll);
}

absl::Status ReplicationWatch::Watch(grpc::ServerContext& context, const rpc::Identity& peer,
                                     const pb::WatchReplicationsRequest& request,
                                     grpc::ServerWriter<pb::Replication>& writer) {
  RETURN_IF_ERROR(CheckRange("names", request.names_size(), 0, kMostNames));
  std::set<std::string> wanted;
  for (const std::string& name : request.names()) {
    ASSIGN_OR_RETURN(const std::string id, ReplicationServerId("names", name));
    wanted.insert(id);
  }
  std::map<std::string, absl::Time> sent;
  while (!context.IsCancelled()) {
    ASSIGN_OR_RETURN(const auto scope, rpc::ScopeNow(context, peer));
    std::vector<pb::Replication> changed;
    {
      // No connection is held while a slow client is written to.
      ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
      ASSIGN_OR_RETURN(const std::vector<store::Change> changes, store::ListChanges(*connection));
      for (const store::Change& change : changes) {
        if (!wanted.empty() && !wanted.contains(change.id)) continue;
        if (scope != nullptr && !scope->Has(absl::StrCat("sourceServers/", change.id))) continue;
        const auto [known, is_new] = sent.try_emplace(change.id, change.update_time);
        if (!is_new && known->second == change.update_time) continue;
        known->second = change.update_time;
        ASSIGN_OR_RETURN(const Server server, store::LoadServer(*connection, change.id));
        ToProto(server, &changed.emplace_back());
      }
    }
    for (const pb::Replication& replication : changed) {
      if (!writer.Write(replication)) return absl::OkStatus();
    }
    if (Sleep()) return absl::UnavailableError("the service is stopping; watch again");
  }
  return absl::OkStatus();
}

}  // namespace godwit::coordinator
