#include "services/registry/rpc/watch_hub.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "services/common/base/clock.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/events.h"
#include "services/registry/rpc/scope_sight.h"

namespace godwit::registry {
namespace {

constexpr std::size_t kMaxWatchers = 1000;
constexpr absl::Duration kPause = absl::Milliseconds(300);
// Scopes change without any server of theirs: as often as other services ask for them.
constexpr absl::Duration kScopes = absl::Seconds(2);
constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
constexpr char kStopping[] = "the registry is stopping";
constexpr int kPage = 500;

absl::Status WatchAgain(absl::string_view why) {
  return absl::UnavailableError(absl::StrCat(why, "; watch again with the last token"));
}

std::string NameOf(const std::string& id) { return absl::StrCat("sourceServers/", id); }

WatchReader ReaderOf(const Watcher& watcher) {
  return {.principal = watcher.principal(), .wanted = watcher.wanted()};
}

bool Wants(const Watcher& watcher, const std::string& id) {
  const std::vector<std::string>& wanted = watcher.wanted();
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), id) != wanted.end();
}

}  // namespace

void WatchHub::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void WatchHub::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

absl::Status WatchHub::Add(std::shared_ptr<Watcher> watcher) {
  absl::MutexLock lock(&mutex_);
  if (stopping_) return WatchAgain(kStopping);
  if (count_ >= kMaxWatchers) {
    return absl::ResourceExhaustedError("too many watch source servers; try again later");
  }
  ++count_;
  new_.push_back(std::move(watcher));
  return absl::OkStatus();
}

bool WatchHub::TakeNew(Watchers* fresh) {
  absl::MutexLock lock(&mutex_);
  const auto ready = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !new_.empty();
  };
  mutex_.AwaitWithTimeout(absl::Condition(&ready), kPause);
  fresh->swap(new_);
  return !stopping_;
}

void WatchHub::Tell(Member& member, const storage::ServerChange& change, bool sees) {
  if (sees && change.server) {
    member.told.Add(change.id);
    member.watcher->Offer(change, member.told.digest());
  } else if (member.told.Has(change.id)) {
    member.told.Remove(change.id);
    member.watcher->Offer({.place = change.place, .id = change.id}, member.told.digest());
  }
}

absl::Status WatchHub::Offer(pg::Connection& connection, std::vector<Member>& to,
                             const std::vector<storage::ServerChange>& changes) {
  std::vector<std::string> names;
  for (const storage::ServerChange& change : changes) names.push_back(NameOf(change.id));
  SightOfScopes sight(connection, names);
  for (Member& member : to) {
    Watcher& watcher = *member.watcher;
    for (std::size_t i = 0; i < changes.size(); ++i) {
      if (changes[i].place <= member.place || !Wants(watcher, changes[i].id)) continue;
      ASSIGN_OR_RETURN(const bool sees, sight.Sees(watcher.principal(), names[i]));
      Tell(member, changes[i], sees);
    }
  }
  return absl::OkStatus();
}

absl::Status WatchHub::Move(pg::Connection& connection, const ScopeMoves& moves, std::int64_t place,
                            Member& member) {
  member.told = moves.before;
  // The last one has the place: who has read it knows of all of them.
  std::optional<storage::ServerChange> last;
  const auto tell = [&](storage::ServerChange change) {
    if (last) Tell(member, *last, true);
    last = std::move(change);
  };
  for (const std::string& id : moves.gone) tell({.id = id});
  storage::ServerQuery query{.show_archived = true, .limit = kPage};
  if (member.told.limited()) query.scope_of = member.watcher->principal();
  for (bool more = !moves.came.empty(); more;) {
    ASSIGN_OR_RETURN(std::vector<SourceServer> page, storage::ListServers(connection, query));
    more = page.size() == kPage;
    if (more) {
      query.after_time = page.back().create_time;
      query.after_id = page.back().id;
    }
    for (SourceServer& server : page) {
      if (moves.came.contains(server.id)) tell({.id = server.id, .server = std::move(server)});
    }
  }
  if (last) {
    last->place = place;
    Tell(member, *last, true);
  }
  return absl::OkStatus();
}

absl::Status WatchHub::FollowScopes(pg::Connection& connection, std::int64_t place) {
  const absl::Duration now = RealClock().Monotonic();
  if (now < next_scopes_) return absl::OkStatus();
  next_scopes_ = now + kScopes;
  ScopesOfLook scopes(connection);
  for (Member& member : members_) {
    ASSIGN_OR_RETURN(const std::optional<ScopeMoves> moves,
                     MovesOf(scopes, ReaderOf(*member.watcher), member.told));
    if (moves) RETURN_IF_ERROR(Move(connection, *moves, place, member));
  }
  return absl::OkStatus();
}

absl::Status WatchHub::ShowPresent(Member& member) {
  Watcher& watcher = *member.watcher;
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  ASSIGN_OR_RETURN(const pg::Transaction transaction, pg::Transaction::Begin(*connection));
  RETURN_IF_ERROR(storage::ReadOneInstant(*connection));
  ASSIGN_OR_RETURN(const storage::ServerChanges now,
                   storage::ListServerChanges(*connection, kEnd, 1));
  watcher.Begin(now.look.stream);
  ScopesOfLook scopes(*connection);
  ASSIGN_OR_RETURN(const auto within, scopes.Within(ReaderOf(watcher)));
  if (within) member.told = ToldServers(std::set<std::string>());
  // The last one has the place of them all: who has read it has the states of this instant.
  std::optional<SourceServer> last;
  const auto show = [&](std::vector<SourceServer> servers) {
    for (SourceServer& server : servers) {
      if (within && !within->contains(server.id)) continue;
      if (last) Tell(member, {.id = last->id, .server = *last}, true);
      last = std::move(server);
    }
  };
  for (const std::string& id : watcher.wanted()) {
    ASSIGN_OR_RETURN(const SourceServer server, storage::GetServer(*connection, id));
    show({server});
  }
  storage::ServerQuery query{.show_archived = true, .limit = kPage};
  if (within) query.scope_of = watcher.principal();
  for (bool more = watcher.wanted().empty(); more;) {
    ASSIGN_OR_RETURN(std::vector<SourceServer> page, storage::ListServers(*connection, query));
    more = page.size() == kPage;
    if (more) {
      query.after_time = page.back().create_time;
      query.after_id = page.back().id;
    }
    show(std::move(page));
  }
  if (last) Tell(member, {.place = now.look.head, .id = last->id, .server = *last}, true);
  member.place = now.look.head;
  return absl::OkStatus();
}

absl::Status WatchHub::ShowMissed(Member& member) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  ASSIGN_OR_RETURN(const pg::Transaction transaction, pg::Transaction::Begin(*connection));
  RETURN_IF_ERROR(storage::ReadOneInstant(*connection));
  EventToken place = *member.watcher->since();
  member.watcher->Begin(place.stream);
  for (bool first = true;; first = false) {
    ASSIGN_OR_RETURN(const storage::ServerChanges page,
                     storage::ListServerChanges(*connection, place.sequence, kPage));
    RETURN_IF_ERROR(CheckSince(place, page.look));
    if (first) {
      ASSIGN_OR_RETURN(member.told, ToldAt(*connection, ReaderOf(*member.watcher), place));
    }
    std::vector<Member> one = {member};
    RETURN_IF_ERROR(Offer(*connection, one, page.changes));
    member.told = std::move(one[0].told);
    place.sequence = page.through;
    if (page.through != page.look.head) continue;
    member.place = place.sequence;
    return absl::OkStatus();
  }
}

absl::Status WatchHub::Join(const std::shared_ptr<Watcher>& watcher) {
  Member member{.watcher = watcher};
  RETURN_IF_ERROR(watcher->since() ? ShowMissed(member) : ShowPresent(member));
  if (members_.empty()) place_.sequence = member.place;
  members_.push_back(std::move(member));
  return absl::OkStatus();
}

absl::Status WatchHub::ShowChanges() {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  // What changed, and who may see it, as of one instant.
  ASSIGN_OR_RETURN(const pg::Transaction transaction, pg::Transaction::Begin(*connection));
  RETURN_IF_ERROR(storage::ReadOneInstant(*connection));
  while (true) {
    ASSIGN_OR_RETURN(const storage::ServerChanges page,
                     storage::ListServerChanges(*connection, place_.sequence, kPage));
    if (place_.stream.empty()) place_.stream = page.look.stream;
    RETURN_IF_ERROR(CheckSince(place_, page.look));
    RETURN_IF_ERROR(Offer(*connection, members_, page.changes));
    place_.sequence = page.through;
    if (page.through == page.look.head) return FollowScopes(*connection, page.through);
  }
}

void WatchHub::Loop() {
  while (true) {
    Watchers fresh;
    const bool going_on = TakeNew(&fresh);
    for (const std::shared_ptr<Watcher>& watcher : fresh) {
      const absl::Status joined = going_on ? Join(watcher) : absl::CancelledError(kStopping);
      if (joined.ok()) continue;
      const bool is_final = absl::IsNotFound(joined) || absl::IsOutOfRange(joined);
      watcher->End(is_final ? joined : WatchAgain(joined.message()));
    }
    absl::Status look = going_on ? absl::OkStatus() : absl::CancelledError(kStopping);
    if (look.ok() && !members_.empty()) look = ShowChanges();
    if (!look.ok()) {
      for (const Member& member : members_) member.watcher->End(WatchAgain(look.message()));
    }
    members_.erase(std::remove_if(members_.begin(), members_.end(),
                                  [](const Member& member) { return member.watcher->ended(); }),
                   members_.end());
    if (members_.empty()) place_ = EventToken();
    absl::MutexLock lock(&mutex_);
    count_ = members_.size() + new_.size();
    if (!going_on) return;
  }
}

}  // namespace godwit::registry
