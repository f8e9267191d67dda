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
  // A server's newest state, at its place among the changes. Place 0: one of the states at the
  // beginning, after which more of these come. Must not block.
  virtual void Offer(const storage::ServerChange& change) = 0;
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
  };
  using Watchers = std::vector<std::shared_ptr<Watcher>>;
  // Offers each of `to` those changes after its place that it wants and reaches.
  static absl::Status Offer(pg::Connection& connection, const std::vector<Member>& to,
                            const std::vector<storage::ServerChange>& changes);
  void Loop();
  // Moves those that are new to `fresh`. False when stopping.
  bool TakeNew(Watchers* fresh);
  absl::Status Join(const std::shared_ptr<Watcher>& watcher);
  absl::StatusOr<std::int64_t> ShowPresent(Watcher& watcher);
  absl::StatusOr<std::int64_t> ShowMissed(const std::shared_ptr<Watcher>& watcher);
  absl::Status ShowChanges();

  pg::Pool& pool_;
  // Of the thread alone.
  std::vector<Member> members_;
  EventToken place_;  // of what the members were offered, when there are any
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Watchers new_ ABSL_GUARDED_BY(mutex_);
  std::size_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace godwit::registry
