// Gives events to all streams that want them. One thread reads the database for all; a reader that
// is behind is read for apart, page by page, as fast as it takes them: nobody waits for it, and
// what waits for it in memory is bounded. Thread-safe.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/common/pg/pool.h"
#include "services/registry/domain/event.h"
#include "services/registry/storage/event_store.h"

namespace godwit::registry {

// A stream. The hub calls from its one thread; no function may block.
class EventReader {
 public:
  virtual ~EventReader() = default;
  // Where it begins; nullopt: now.
  virtual const std::optional<EventToken>& since() const = 0;
  // Who reads, when he can be limited to a scope (scope_source.h); empty: somebody else.
  virtual const std::string& principal() const = 0;
  // First of all: where it does begin.
  virtual void Begin(const EventToken& place) = 0;
  // How many events it has room for; 0: it is called when there is room again (WakeUp).
  virtual std::size_t room() const = 0;
  // Events that follow each other, not more than there was room for; `seen` says of each whether
  // its resource is within the reader's scope now.
  virtual void Take(const std::vector<std::shared_ptr<const EventRecord>>& events,
                    const std::vector<bool>& seen) = 0;
  // Called a few times a second, for heartbeats.
  virtual void Tick() = 0;
  // Nothing comes any more.
  virtual void End(const absl::Status& status) = 0;
  // The hub forgets a reader that ended by itself.
  virtual bool ended() const = 0;
};

class EventHub {
 public:
  explicit EventHub(pg::Pool& pool) : pool_(pool) {}
  ~EventHub() { Stop(); }
  void Start();
  // Ends all streams. Idempotent.
  void Stop();

  // RESOURCE_EXHAUSTED: too many watch; UNAVAILABLE: it is stopping.
  absl::Status Add(std::shared_ptr<EventReader> reader);
  // A reader has room again.
  void WakeUp();

 private:
  struct Member {
    std::shared_ptr<EventReader> reader;
    std::int64_t place = 0;  // number of the last event that it took
  };
  using Events = std::vector<std::shared_ptr<const EventRecord>>;

  void Loop();
  // Waits for a while, a new reader or room; false when stopping.
  bool Await(bool busy, std::vector<std::shared_ptr<EventReader>>* fresh);
  absl::Status Join(std::shared_ptr<EventReader> reader);
  // New events into memory.
  absl::Status ReadNew();
  // What is in memory after the member's place. False: it is further behind.
  absl::StatusOr<bool> FeedFromMemory(Member& member);
  absl::Status Give(Member& member, const Events& events);
  absl::Status FeedFromDatabase(Member& member);
  // Gives each what it has room for; true: somebody can take more at once.
  absl::StatusOr<bool> Feed();
  void EndAll(const absl::Status& status);

  pg::Pool& pool_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::shared_ptr<EventReader>> new_ ABSL_GUARDED_BY(mutex_);
  std::size_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of the thread alone.
  std::vector<Member> members_;
  std::string stream_;
  std::int64_t head_ = -1;                                 // -1: not known
  bool unread_ = false;                                    // there are events after head_
  std::deque<std::shared_ptr<const EventRecord>> memory_;  // the newest, up to head_
  std::size_t turn_ = 0;                                   // whose turn it is among those behind
  std::thread thread_;
};

}  // namespace godwit::registry
