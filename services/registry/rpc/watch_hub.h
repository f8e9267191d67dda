// Tells watchers what changed. One thread reads the events of the database for all of them, so that
// changes made through other processes are seen, too, in the order of the commits. Thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/common/pg/pool.h"
#include "services/registry/domain/told_servers.h"
#include "services/registry/rpc/watch_scope.h"
#include "services/registry/storage/server_store.h"

namespace godwit::registry {

class Watcher {
 public:
  virtual ~Watcher() = default;
  // Ids of the servers it wants; empty: all.
  virtual const std::vector<std::string>& wanted() const = 0;
  // Who watches, when he can be limited to a scope (scope_source.h); empty: somebody else.
  virtual const std::string& principal() const = 0;
  // Where it goes on; nullopt: it begins with the present states.
  virtual const std::optional<EventToken>& since() const = 0;
  // Before all else: the events that places are of.
  virtual void Begin(const std::string& stream) = 0;
  // A server's newest state, at its place among the changes; without a state: it is gone, or out of
  // the reader's scope. Place 0: more of its kind come at once (states at the beginning, changes of
  // the scope). `told`: for the token. Must not block.
  virtual void Offer(const storage::ServerChange& change, std::optional<std::uint64_t> told) = 0;
  // Nothing comes any more. Must not block.
  virtual void End(const absl::Status& status) = 0;
  // The hub forgets a watcher that ended by itself.
  virtual bool ended() const = 0;
};

class WatchHub {
 public:
  explicit WatchHub(pg::Pool& pool) : pool_(pool) {}
  ~WatchHub() { Stop(); }
  void Start();
  // Ends all watchers. Idempotent.
  void Stop();

  // RESOURCE_EXHAUSTED: too many watch; UNAVAILABLE: it is stopping.
  absl::Status Add(std::shared_ptr<Watcher> watcher);

 private:
  struct Member {
    std::shared_ptr<Watcher> watcher;
    std::int64_t place = 0;  // it was offered all changes up to here
    ToldServers told;
  };
  using Watchers = std::vector<std::shared_ptr<Watcher>>;
  // Offers the state when the member sees it, and else, once, that the server is gone.
  static void Tell(Member& member, const storage::ServerChange& change, bool sees);
  // Tells each of `to` those changes after its place that it wants.
  static absl::Status Offer(pg::Connection& connection, std::vector<Member>& to,
                            const std::vector<storage::ServerChange>& changes);
  // Tells what went out of the scopes of the members and what came into them, as of `place`.
  absl::Status FollowScopes(pg::Connection& connection, std::int64_t place);
  static absl::Status Move(pg::Connection& connection, const ScopeMoves& moves, std::int64_t place,
                           Member& member);
  void Loop();
  // Moves those that are new to `fresh`. False when stopping.
  bool TakeNew(Watchers* fresh);
  absl::Status Join(const std::shared_ptr<Watcher>& watcher);
  absl::Status ShowPresent(Member& member);
  absl::Status ShowMissed(Member& member);
  absl::Status ShowChanges();

  pg::Pool& pool_;
  // Of the thread alone.
  std::vector<Member> members_;
  EventToken place_;            // of what the members were offered, when there are any
  absl::Duration next_scopes_;  // monotonic
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Watchers new_ ABSL_GUARDED_BY(mutex_);
  std::size_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace godwit::registry
