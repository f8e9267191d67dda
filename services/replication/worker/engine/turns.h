// Turns at the work of a worker: decompressing, checking and writing of frames, or syncs. Bounds
// how much is under way at a time and gives every server its share of it (turn_order.h).
#pragma once

#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/replication/worker/engine/turn_order.h"

namespace godwit::worker {

// Thread-safe.
class Turns {
 public:
  explicit Turns(TurnOrder::Limits limits) : order_(limits) {}

  // A turn, from the return of the constructor to the end of the object. Whoever holds one must not
  // wait for an agent, or for another turn of the same kind. Null turns: nothing is waited for.
  class Turn {
   public:
    Turn(Turns* turns, const std::string& server, std::int64_t bytes, double weight);
    ~Turn();
    Turn(const Turn&) = delete;

   private:
    Turns* const turns_;
    TurnOrder::Ticket ticket_ = 0;
  };

 private:
  void Dispatch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  TurnOrder order_ ABSL_GUARDED_BY(mutex_);
  std::map<TurnOrder::Ticket, bool*> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::worker
