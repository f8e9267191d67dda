#include "services/registry/rpc/watch_hub.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/scope_sight.h"
#include "services/registry/storage/server_store.h"

namespace godwit::registry {
namespace {

constexpr std::size_t kMaxWatchers = 1000;
constexpr absl::Duration kPause = absl::Milliseconds(300);
// Longer than a transaction can last (statement and idle limits of the connections) and than the
// loop may pause without having missed something.
constexpr absl::Duration kWindow = absl::Seconds(120);
constexpr int kPage = 500;

absl::Status WatchAgain(absl::string_view why) {
  return absl::UnavailableError(absl::StrCat(why, "; watch again"));
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
  if (stopping_) return WatchAgain("the registry is stopping");
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

absl::Status WatchHub::Offer(pg::Connection& connection, const Watchers& watchers,
                             const std::vector<SourceServer>& servers) {
  std::vector<std::string> names;
  for (const SourceServer& server : servers) {
    names.push_back(absl::StrCat("sourceServers/", server.id));
  }
  SightOfScopes sight(connection, names);
  for (const std::shared_ptr<Watcher>& watcher : watchers) {
    for (std::size_t i = 0; i < servers.size(); ++i) {
      if (!Wants(*watcher, servers[i].id)) continue;
      ASSIGN_OR_RETURN(const bool sees, sight.Sees(watcher->principal(), names[i]));
      if (sees) watcher->Offer(servers[i]);
    }
  }
  return absl::OkStatus();
}

absl::Status WatchHub::ShowPresent(const std::shared_ptr<Watcher>& watcher) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  for (const std::string& id : watcher->wanted()) {
    ASSIGN_OR_RETURN(const SourceServer server, storage::GetServer(*connection, id));
    RETURN_IF_ERROR(Offer(*connection, {watcher}, {server}));
  }
  if (!watcher->wanted().empty()) return absl::OkStatus();
  storage::ServerQuery query{.show_archived = true, .limit = kPage};
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<SourceServer> page,
                     storage::ListServers(*connection, query));
    RETURN_IF_ERROR(Offer(*connection, {watcher}, page));
    if (page.size() < kPage) return absl::OkStatus();
    query.after_time = page.back().create_time;
    query.after_id = page.back().id;
  }
}

absl::Status WatchHub::ShowChanges(const Watchers& watchers) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  absl::Time after_time = absl::UnixEpoch();
  std::string after_id;
  while (true) {
    ASSIGN_OR_RETURN(
        const std::vector<SourceServer> page,
        storage::ListChangedServers(*connection, kWindow, after_time, after_id, kPage));
    RETURN_IF_ERROR(Offer(*connection, watchers, page));
    if (page.size() < kPage) return absl::OkStatus();
    after_time = page.back().update_time;
    after_id = page.back().id;
  }
}

void WatchHub::Loop() {
  Watchers watchers;
  absl::Duration last_look = RealClock().Monotonic();
  while (true) {
    Watchers fresh;
    const bool going_on = TakeNew(&fresh);
    for (std::shared_ptr<Watcher>& watcher : fresh) {
      const absl::Status shown = going_on ? ShowPresent(watcher) : absl::OkStatus();
      if (shown.ok() || absl::IsNotFound(shown)) {
        if (!shown.ok()) watcher->End(shown);
      } else {
        watcher->End(WatchAgain(shown.message()));
      }
      watchers.push_back(std::move(watcher));
    }
    absl::Status look = going_on ? absl::OkStatus() : WatchAgain("the registry is stopping");
    if (look.ok() && !watchers.empty()) {
      // A process that was paused for longer than the window has missed changes.
      if (RealClock().Monotonic() - last_look > kWindow / 2) {
        look = WatchAgain("changes may have been missed");
      } else if (look = ShowChanges(watchers); !look.ok()) {
        look = WatchAgain(look.message());
      }
    }
    last_look = RealClock().Monotonic();
    if (!look.ok()) {
      for (const std::shared_ptr<Watcher>& watcher : watchers) watcher->End(look);
    }
    watchers.erase(std::remove_if(watchers.begin(), watchers.end(),
                                  [](const auto& watcher) { return watcher->ended(); }),
                   watchers.end());
    absl::MutexLock lock(&mutex_);
    count_ = watchers.size() + new_.size();
    if (!going_on) return;
  }
}

}  // namespace godwit::registry
