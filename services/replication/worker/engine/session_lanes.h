// What the lanes of one session of an agent have in common: how far each of them is, what of it is
// durable, and their end. See "Lanes" in block_stream.proto.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace godwit::worker {

// Thread-safe.
class SessionLanes {
 public:
  static constexpr int kMost = 8;

  // `count`: 1 to kMost.
  explicit SessionLanes(int count)
      : received_(static_cast<std::size_t>(count)), durable_(received_) {}
  int count() const { return static_cast<int>(received_.size()); }

  // The stream of `lane` runs, on `group` (all lanes must be on the same). `end` is called at most
  // once, from any thread, before Leave returns: the session has ended. UNAVAILABLE: it had ended
  // before.
  absl::Status Join(int lane, const void* group, std::function<void(const absl::Status&)> end);
  // The stream ends; with it the session, if it has not ended.
  void Leave(int lane, const absl::Status& status);
  void End(const absl::Status& status);
  bool Ended() const;

  // All frames of the lane up to `sequence` are checked and written. `stored_bytes` of the last are
  // not synced, and were `plain_bytes` before compression.
  void Took(int lane, std::uint64_t sequence, std::int64_t stored_bytes, std::int64_t plain_bytes);
  // Returns once lanes 1, 2, ... have taken `after`. The status of the session when it ended;
  // UNAVAILABLE after `patience`.
  absl::Status Await(absl::Span<const std::uint64_t> after, absl::Duration patience) const;
  std::int64_t plain_bytes() const;
  std::int64_t unsynced_bytes() const;

  // The rest is for the one thread that makes durable.
  // Somebody waits for what was taken so far.
  void WantFlush();
  // Until it is wanted, or so much is not synced, or the session ended; at most `patience`.
  void AwaitUrgent(std::int64_t bytes, absl::Duration patience) const;
  // Something is not durable: *urgent as for AwaitUrgent.
  bool Pending(std::int64_t bytes, bool* urgent);
  // What a sync that begins now makes durable.
  std::vector<std::uint64_t> BeginSync();
  void Synced(std::vector<std::uint64_t> upto);
  struct Position {
    std::uint64_t received = 0, durable = 0;
    bool operator==(const Position&) const = default;
  };
  // Of all lanes at one moment.
  std::vector<Position> Positions() const;

 private:
  bool Urgent(std::int64_t bytes) const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return flush_ || unsynced_bytes_ >= bytes;
  }

  mutable absl::Mutex mutex_;
  std::vector<std::uint64_t> received_;  // guarded by mutex_, its size is constant
  std::vector<std::uint64_t> durable_ ABSL_GUARDED_BY(mutex_);
  std::map<int, std::function<void(const absl::Status&)>> ends_ ABSL_GUARDED_BY(mutex_);
  const void* group_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  bool flush_ ABSL_GUARDED_BY(mutex_) = false;
  std::int64_t unsynced_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t plain_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace godwit::worker
