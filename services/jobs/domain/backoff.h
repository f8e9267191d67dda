// How often and how fast a step is tried again.
#pragma once

#include "absl/time/time.h"

namespace godwit::jobs {

struct RetryPolicy {
  int most_attempts = 5;
  absl::Duration base = absl::Seconds(1);
  absl::Duration cap = absl::Minutes(1);
};

// The wait after the `attempt`-th failure (from 1): min(cap, base * 2^(attempt-1)), times
// 0.5 + `jitter` with jitter in [0, 1), so that runs that failed together do not come back
// together.
absl::Duration Backoff(const RetryPolicy& policy, int attempt, double jitter);

}  // namespace godwit::jobs
