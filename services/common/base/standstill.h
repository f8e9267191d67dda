// Notices that this process stood still: it was stopped, its machine was paused, or it got no
// processor. What waited for it meanwhile (in the sockets of its callers) is older than it looks:
// a time limit that is counted from its arrival here begins anew, while whoever sent it has long
// sent it to another copy and gone on. docs/decisions/0044.
#pragma once

#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"

namespace godwit {

// Thread-safe. `clock` must outlive it.
class Standstill {
 public:
  struct Options {
    absl::Duration limit = absl::Seconds(2);   // a gap between two ticks that is longer counts
    absl::Duration settle = absl::Seconds(1);  // by then what waited has been read
  };
  Standstill(Clock& clock, Options options);

  // Call it much more often than `limit`. `noticed` is told of each standstill; may be null.
  void Tick(const std::function<void(absl::Duration)>& noticed = nullptr);
  // True while what arrives now may have waited since before a standstill. Also between the end of
  // one and the next tick.
  bool Recent() const;

 private:
  Clock& clock_;
  const Options options_;
  mutable absl::Mutex mutex_;
  absl::Duration last_ ABSL_GUARDED_BY(mutex_);
  absl::Duration settled_ ABSL_GUARDED_BY(mutex_);
};

// Watches this process from now on, with a thread that lives as long as it; logs each standstill.
// Idempotent.
void WatchStandstill();
// Recent() of this process; false when nobody watches.
bool StoodStill();

}  // namespace godwit
