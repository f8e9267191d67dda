// The database's clock, so that all copies of a service judge and record by one clock, whatever
// those of their hosts say or do.
#pragma once

#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/clock.h"

namespace godwit::pg {

// What a Probe learned last, carried on by the monotonic clock; the host's wall clock before the
// first time. Never asks, never waits. Thread-safe. `host` must outlive it.
class DatabaseClock final : public Clock {
 public:
  explicit DatabaseClock(Clock& host) : host_(host) {}
  absl::Time Now() override;
  absl::Duration Monotonic() override { return host_.Monotonic(); }
  void Sleep(absl::Duration duration) override { host_.Sleep(duration); }

  // The database said `database` to somebody who asked at `asked` and heard it now, both of
  // Monotonic(). An answer that took more than a second is no news while there is an earlier one.
  void Learn(absl::Time database, absl::Duration asked);
  // How far the host's wall clock is before the database's now; 0 before the first answer.
  absl::Duration HostAhead();

 private:
  Clock& host_;
  absl::Mutex mutex_;
  // The database's clock when Monotonic() was zero.
  std::optional<absl::Time> start_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::pg
