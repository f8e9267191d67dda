// Bounds a flow of bytes to a rate: a token bucket that may go into debt. Whoever charged it waits
// until the debt is paid before the bytes go out.
//
// Over any span of time T passes at most rate * T + rate * kBurst + the largest single charge. With
// charges of at most BestCharge() that is within 5 % of the rate from T = 2 s on, unless a block
// takes longer than that by itself.
#pragma once

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/common/base/clock.h"

namespace godwit::agent {

// Thread-safe.
class RateLimit {
 public:
  // What was not used of so much time may be used later.
  static constexpr absl::Duration kBurst = absl::Milliseconds(40);

  explicit RateLimit(Clock& clock) : clock_(clock), checked_(clock.Monotonic()) {}

  // 0: unlimited. Counts at once, also for whoever waits.
  void SetRate(std::int64_t bytes_per_second);
  void Charge(std::int64_t bytes);
  // Until the debt is paid at the present rate; zero when there is none.
  absl::Duration Debt();
  // Sleeps until there is no debt.
  void Settle();

  // The largest charge that keeps the flow even; INT64_MAX when unlimited.
  std::int64_t BestCharge();
  // How long Settle slept since the last call.
  absl::Duration TakeWait();

 private:
  void Refill() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock& clock_;
  absl::Mutex mutex_;
  double rate_ ABSL_GUARDED_BY(mutex_) = 0;
  double allowance_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration checked_ ABSL_GUARDED_BY(mutex_);  // when the allowance was right
  absl::Duration waited_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace godwit::agent
