// Time as a dependency: code takes a Clock, tests give a FakeClock.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace godwit {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall clock, for records and certificates. May step.
  virtual absl::Time Now() = 0;
  // Time since an arbitrary start that never steps back; counts suspended time (CLOCK_BOOTTIME), so
  // a paused process notices how long it was away. Leases and timeouts use this one.
  virtual absl::Duration Monotonic() = 0;
  virtual void Sleep(absl::Duration duration) = 0;
};

// The machine's clocks. Lives for the whole process.
Clock& RealClock();

// Now on the monotonic clock, for deadlines and measured times within this process: steps of the
// wall clock do not reach it. The date means nothing: compare it with other SteadyNow() only, never
// store, show or send it. Thread-safe.
absl::Time SteadyNow();
// The moment on it that the wall clock calls `wall` now.
absl::Time OnSteadyClock(absl::Time wall);

// Stands still until told otherwise; Sleep advances it.
class FakeClock final : public Clock {
 public:
  absl::Time Now() override;
  absl::Duration Monotonic() override;
  void Sleep(absl::Duration duration) override { Advance(duration); }
  void Advance(absl::Duration duration);

 private:
  absl::Mutex mutex_;
  absl::Duration elapsed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit
