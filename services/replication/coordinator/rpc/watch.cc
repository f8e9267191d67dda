#include "services/replication/coordinator/rpc/watch.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/replication/coordinator/rpc/convert.h"
#include "services/replication/coordinator/rpc/fields.h"
#include "services/replication/coordinator/store/server_store.h"
#include "services/replication/coordinator/store/watch_store.h"

namespace godwit::coordinator {
namespace {

namespace pb = ::godwit::replication::v1;

constexpr int kMostWatchers = 16;
constexpr int kMostNames = 1000;
constexpr absl::Duration kPoll = absl::Seconds(1);
constexpr std::size_t kRound = 500;  // changes that are looked at before what was found is sent

// What a reader can be shown at all.
store::Among AmongOf(const std::set<std::string>& wanted, const rpc::Scope* scope) {
  if (scope == nullptr && wanted.empty()) return std::nullopt;
  if (scope == nullptr) return std::vector<std::string>(wanted.begin(), wanted.end());
  std::vector<std::string> ids = scope->Ids("sourceServers");
  std::erase_if(ids,
                [&](const std::string& id) { return !wanted.empty() && !wanted.contains(id); });
  return ids;
}

absl::StatusOr<Sight> LookAround(pg::Connection& connection, const std::set<std::string>& wanted,
                                 const rpc::Scope* scope,
                                 std::optional<std::int64_t> made_until_micros) {
  ASSIGN_OR_RETURN(Sight sight,
                   store::LookAround(connection, AmongOf(wanted, scope), made_until_micros));
  sight.limited = scope != nullptr;
  return sight;
}

absl::Status Gone(const absl::Status& status) {
  if (!absl::IsOutOfRange(status)) return status;
  return rpc::WithInfo(status, {.reason = "STATE_GONE", .domain = "replication"});
}

// Adds the present states of `ids`, those that exist, in this order; each with `token`.
absl::Status AddStates(pg::Connection& connection, const std::vector<std::string>& ids,
                       const std::vector<std::string>& tokens,
                       std::vector<pb::Replication>* messages) {
  for (std::size_t from = 0; from < ids.size(); from += kRound) {
    const std::size_t end = std::min(ids.size(), from + kRound);
    ASSIGN_OR_RETURN(const std::vector<Server> servers,
                     store::LoadServers(connection, {ids.begin() + from, ids.begin() + end}));
    std::map<absl::string_view, const Server*> by_id;
    for (const Server& server : servers) by_id[server.id] = &server;
    for (std::size_t i = from; i < end; ++i) {
      const auto found = by_id.find(ids[i]);
      if (found == by_id.end()) continue;
      pb::Replication& message = messages->emplace_back();
      ToProto(*found->second, &message);
      message.set_watch_token(tokens[i]);
    }
  }
  return absl::OkStatus();
}

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
  Stream stream;
  stream.show_deleted = request.show_deleted();
  for (const std::string& name : request.names()) {
    ASSIGN_OR_RETURN(const std::string id, ReplicationServerId("names", name));
    stream.wanted.insert(id);
  }
  if (!request.since().empty()) {
    absl::StatusOr<WatchPlace> since = ParseWatchToken(request.since());
    if (!since.ok()) return rpc::FieldError("since", since.status().message());
    stream.place = *std::move(since);
  }
  while (!context.IsCancelled()) {
    ASSIGN_OR_RETURN(const auto scope, rpc::ScopeNow(context, peer));
    ASSIGN_OR_RETURN(const News news, Look(stream, scope.get()));
    for (const pb::Replication& replication : news.messages) {
      if (!writer.Write(replication)) return absl::OkStatus();
    }
    if (news.more) continue;
    if (Sleep()) return absl::UnavailableError("the service is stopping; watch again");
  }
  return absl::OkStatus();
}

absl::StatusOr<ReplicationWatch::Moves> ReplicationWatch::TakeMoves(
    pg::Connection& connection, const rpc::Scope* scope, const std::vector<WatchRow>& changed,
    Stream& stream) {
  const bool first = !stream.shown;
  const WatchPlace& place = stream.place;
  ASSIGN_OR_RETURN(const Sight now, LookAround(connection, stream.wanted, scope, std::nullopt));
  Moves moves;
  if (!first && place.sight && place.sight->SameRows(now)) return moves;
  const bool goes_on = first && !place.database.empty();
  const bool was_limited = place.sight && place.sight->limited;
  // Who sees everything, and does not ask for deletions, misses nothing by any token.
  if (goes_on && (stream.show_deleted || now.limited || was_limited)) {
    Sight then{.limited = now.limited};
    if (place.sight) {
      ASSIGN_OR_RETURN(then,
                       LookAround(connection, stream.wanted, scope, place.sight->until_micros));
    }
    RETURN_IF_ERROR(Gone(CheckSight(place, then)));
  }
  ASSIGN_OR_RETURN(std::set<std::string> ids,
                   store::ListIds(connection, AmongOf(stream.wanted, scope)));
  if (!first) {
    std::set_difference(stream.shown->begin(), stream.shown->end(), ids.begin(), ids.end(),
                        std::back_inserter(moves.gone));
    std::set<absl::string_view> coming;
    for (const WatchRow& row : changed) coming.insert(row.id);
    for (const std::string& id : ids) {
      if (!stream.shown->contains(id) && !coming.contains(id)) moves.came.push_back(id);
    }
  }
  stream.shown = std::move(ids);
  stream.place.sight = now;
  return moves;
}

// No connection is held while a slow client is written to.
absl::StatusOr<ReplicationWatch::News> ReplicationWatch::Look(Stream& stream,
                                                              const rpc::Scope* scope) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  ASSIGN_OR_RETURN(const pg::Transaction transaction, pg::Transaction::Begin(*connection));
  RETURN_IF_ERROR(store::ReadOneInstant(*connection));
  const WatchPlace place = stream.place;
  ASSIGN_OR_RETURN(store::Changes changes, store::ListChanges(*connection, place.seen));
  if (!place.database.empty()) {
    RETURN_IF_ERROR(Gone(CheckWatchPlace(place, changes.database, changes.now)));
  }
  std::vector<WatchRow>& rows = changes.rows;
  std::erase_if(rows, [&](const WatchRow& row) { return place.Saw(row.transaction, row.id); });
  ASSIGN_OR_RETURN(const Moves moves, TakeMoves(*connection, scope, rows, stream));
  stream.place.database = changes.database;  // perhaps it begins here
  News news;
  // Until all of these are sent, the token is the one of before: whoever goes on from it is told
  // that he cannot.
  const std::string before = place.database.empty() ? "" : FormatWatchToken(place);
  for (const std::string& id : moves.gone) {
    if (!stream.show_deleted) break;
    pb::Replication& message = news.messages.emplace_back();
    message.set_name(absl::StrCat("sourceServers/", id, "/replication"));
    message.set_deleted(true);
    message.set_watch_token(before);
  }
  RETURN_IF_ERROR(AddStates(*connection, moves.came,
                            std::vector<std::string>(moves.came.size(), before), &news.messages));
  std::sort(rows.begin(), rows.end(),
            [&](const WatchRow& a, const WatchRow& b) { return ComesBefore(place, a, b); });
  news.more = rows.size() > kRound;
  if (news.more) rows.resize(kRound);
  std::vector<std::string> ids, tokens;
  for (const WatchRow& row : rows) {
    stream.place = After(stream.place, changes.now, row);
    if (!stream.shown->contains(row.id)) continue;
    ids.push_back(row.id);
    tokens.push_back(FormatWatchToken(stream.place));
  }
  RETURN_IF_ERROR(AddStates(*connection, ids, tokens, &news.messages));
  if (news.more) return news;
  // All that this look sees was sent.
  stream.place = {
      .database = stream.place.database, .seen = changes.now, .sight = stream.place.sight};
  if (!news.messages.empty()) {
    news.messages.back().set_watch_token(FormatWatchToken(stream.place));
  }
  return news;
}

}  // namespace godwit::coordinator
