#include "services/jobs/domain/backoff.h"

#include <algorithm>

namespace godwit::jobs {

absl::Duration Backoff(const RetryPolicy& policy, int attempt, double jitter) {
  const int doublings = std::clamp(attempt - 1, 0, 30);
  const absl::Duration wait = std::min(policy.cap, policy.base * (1ll << doublings));
  return wait * (0.5 + std::clamp(jitter, 0.0, 1.0));
}

}  // namespace godwit::jobs
