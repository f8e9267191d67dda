#include "services/registry/rpc/watch_hub.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/events.h"
#include "services/registry/rpc/scope_sight.h"

namespace godwit::registry {
namespace {

constexpr std::size_t kMaxWatchers = 1000;
constexpr absl::Duration kPause = absl::Milliseconds(300);
constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
constexpr char kStopping[] = "the registry is stopping";
constexpr int kPage = 500;

absl::Status WatchAgain(absl::string_view why) {
  return absl::UnavailableError(absl::StrCat(why, "; watch again with the last token"));
}

std::string NameOf(const std::string& id) { return absl::StrCat("sourceServers/", id); }

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

absl::Status WatchHub::Offer(pg::Connection& connection, const std::vector<Member>& to,
                             const std::vector<storage::ServerChange>& changes) {
  std::vector<std::string> names;
  for (const storage::ServerChange& change : changes) names.push_back(NameOf(change.id));
  SightOfScopes sight(connection, names);
  for (const Member& member : to) {
    Watcher& watcher = *member.watcher;
    for (std::size_t i = 0; i < changes.size(); ++i) {
      if (changes[i].place <= member.place || !Wants(watcher, changes[i].id)) continue;
      ASSIGN_OR_RETURN(const bool sees, sight.Sees(watcher.principal(), names[i]));
      if (sees) watcher.Offer(changes[i]);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> WatchHub::ShowPresent(Watcher& watcher) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  ASSIGN_OR_RETURN(const pg::Transaction transaction, pg::Transaction::Begin(*connection));
  RETURN_IF_ERROR(storage::ReadOneInstant(*connection));
  ASSIGN_OR_RETURN(const storage::ServerChanges now,
                   storage::ListServerChanges(*connection, kEnd, 1));
  watcher.Begin(now.look.stream);
  // The last one has the place of them all: who has read it has the states of this instant.
  std::optional<SourceServer> last;
  const auto show = [&](std::vector<SourceServer> servers) -> absl::Status {
    std::vector<std::string> names;
    for (const SourceServer& server : servers) names.push_back(NameOf(server.id));
    SightOfScopes sight(*connection, names);
    for (std::size_t i = 0; i < servers.size(); ++i) {
      ASSIGN_OR_RETURN(const bool sees, sight.Sees(watcher.principal(), names[i]));
      if (!sees) continue;
      if (last) watcher.Offer({.id = last->id, .server = *last});
      last = std::move(servers[i]);
    }
    return absl::OkStatus();
  };
  for (const std::string& id : watcher.wanted()) {
    ASSIGN_OR_RETURN(const SourceServer server, storage::GetServer(*connection, id));
    RETURN_IF_ERROR(show({server}));
  }
  storage::ServerQuery query{.show_archived = true, .limit = kPage};
  for (bool more = watcher.wanted().empty(); more;) {
    ASSIGN_OR_RETURN(std::vector<SourceServer> page, storage::ListServers(*connection, query));
    more = page.size() == kPage;
    if (more) {
      query.after_time = page.back().create_time;
      query.after_id = page.back().id;
    }
    RETURN_IF_ERROR(show(std::move(page)));
  }
  if (last) watcher.Offer({.place = now.look.head, .id = last->id, .server = *last});
  return now.look.head;
}

absl::StatusOr<std::int64_t> WatchHub::ShowMissed(const std::shared_ptr<Watcher>& watcher) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  EventToken place = *watcher->since();
  watcher->Begin(place.stream);
  while (true) {
    ASSIGN_OR_RETURN(const storage::ServerChanges page,
                     storage::ListServerChanges(*connection, place.sequence, kPage));
    RETURN_IF_ERROR(CheckSince(place, page.look));
    RETURN_IF_ERROR(Offer(*connection, {{.watcher = watcher}}, page.changes));
    place.sequence = page.through;
    if (page.through == page.look.head) return place.sequence;
  }
}

absl::Status WatchHub::Join(const std::shared_ptr<Watcher>& watcher) {
  ASSIGN_OR_RETURN(const std::int64_t place,
                   watcher->since() ? ShowMissed(watcher) : ShowPresent(*watcher));
  if (members_.empty()) place_.sequence = place;
  members_.push_back({.watcher = watcher, .place = place});
  return absl::OkStatus();
}

absl::Status WatchHub::ShowChanges() {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  while (true) {
    ASSIGN_OR_RETURN(const storage::ServerChanges page,
                     storage::ListServerChanges(*connection, place_.sequence, kPage));
    if (place_.stream.empty()) place_.stream = page.look.stream;
    RETURN_IF_ERROR(CheckSince(place_, page.look));
    RETURN_IF_ERROR(Offer(*connection, members_, page.changes));
    place_.sequence = page.through;
    if (page.through == page.look.head) return absl::OkStatus();
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
