// Tells watchers what changed. One thread reads the database for all of them; so changes made
// through other processes are seen too. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/pg/pool.h"
#include "services/registry/domain/source_server.h"

namespace godwit::registry {

class Watcher {
 public:
  virtual ~Watcher() = default;
  // Ids of the servers it wants; empty: all.
  virtual const std::vector<std::string>& wanted() const = 0;
  // Who watches, when he can be limited to a scope (scope_source.h); empty: somebody else.
  virtual const std::string& principal() const = 0;
  // A server's state; may be one that it had already. Must not block.
  virtual void Offer(const SourceServer& server) = 0;
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

  // The present states come first. RESOURCE_EXHAUSTED: too many watch; UNAVAILABLE: it is stopping.
  absl::Status Add(std::shared_ptr<Watcher> watcher);

 private:
  using Watchers = std::vector<std::shared_ptr<Watcher>>;
  // Offers each watcher those of `servers` that it wants and reaches.
  static absl::Status Offer(pg::Connection& connection, const Watchers& watchers,
                            const std::vector<SourceServer>& servers);
  void Loop();
  // Moves those that are new to `present`. False when stopping.
  bool TakeNew(Watchers* fresh);
  absl::Status ShowPresent(const std::shared_ptr<Watcher>& watcher);
  absl::Status ShowChanges(const Watchers& watchers);

  pg::Pool& pool_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Watchers new_ ABSL_GUARDED_BY(mutex_);
  std::size_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;
};

}  // namespace godwit::registry
