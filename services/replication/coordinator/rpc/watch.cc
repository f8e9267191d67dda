#include "services/replication/coordinator/rpc/watch.h"

#include <algorithm>
#include <utility>

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
constexpr std::size_t kRound = 500;  // changes that are looked at before what was found is sent

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
  WatchPlace place;
  if (!request.since().empty()) {
    absl::StatusOr<WatchPlace> since = ParseWatchToken(request.since());
    if (!since.ok()) return rpc::FieldError("since", since.status().message());
    place = *std::move(since);
  }
  while (!context.IsCancelled()) {
    ASSIGN_OR_RETURN(const auto scope, rpc::ScopeNow(context, peer));
    ASSIGN_OR_RETURN(News news, Look(place, wanted, scope.get()));
    for (const pb::Replication& replication : news.messages) {
      if (!writer.Write(replication)) return absl::OkStatus();
    }
    place = std::move(news.place);
    if (news.more) continue;
    if (Sleep()) return absl::UnavailableError("the service is stopping; watch again");
  }
  return absl::OkStatus();
}

// No connection is held while a slow client is written to.
absl::StatusOr<ReplicationWatch::News> ReplicationWatch::Look(const WatchPlace& place,
                                                              const std::set<std::string>& wanted,
                                                              const rpc::Scope* scope) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  ASSIGN_OR_RETURN(const pg::Transaction transaction, pg::Transaction::Begin(*connection));
  RETURN_IF_ERROR(store::ReadOneInstant(*connection));
  ASSIGN_OR_RETURN(store::Changes changes, store::ListChanges(*connection, place.seen));
  News news{.place = place};
  if (place.database.empty()) {
    news.place.database = changes.database;  // it begins here
  } else {
    const absl::Status known = CheckWatchPlace(place, changes.database, changes.now);
    if (!known.ok()) {
      return rpc::WithInfo(known, {.reason = "STATE_GONE", .domain = "replication"});
    }
  }
  std::vector<WatchRow>& rows = changes.rows;
  std::erase_if(rows, [&](const WatchRow& row) { return place.Saw(row.transaction, row.id); });
  std::sort(rows.begin(), rows.end(),
            [&](const WatchRow& a, const WatchRow& b) { return ComesBefore(place, a, b); });
  news.more = rows.size() > kRound;
  if (news.more) rows.resize(kRound);
  for (const WatchRow& row : rows) {
    news.place = After(news.place, changes.now, row);
    if (!wanted.empty() && !wanted.contains(row.id)) continue;
    if (scope != nullptr && !scope->Has(absl::StrCat("sourceServers/", row.id))) continue;
    ASSIGN_OR_RETURN(const Server server, store::LoadServer(*connection, row.id));
    pb::Replication& message = news.messages.emplace_back();
    ToProto(server, &message);
    message.set_watch_token(FormatWatchToken(news.place));
  }
  if (news.more) return news;
  // All that this look sees was sent.
  news.place = {.database = news.place.database, .seen = changes.now};
  if (!news.messages.empty()) news.messages.back().set_watch_token(FormatWatchToken(news.place));
  return news;
}

}  // namespace godwit::coordinator
