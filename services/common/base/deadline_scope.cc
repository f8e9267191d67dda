#include "services/common/base/deadline_scope.h"

#include <algorithm>

#include "services/common/base/clock.h"

namespace godwit {
namespace {

// On the monotonic clock.
absl::Duration& End() {
  thread_local absl::Duration end = absl::InfiniteDuration();
  return end;
}

}  // namespace

DeadlineScope::DeadlineScope(absl::Duration left) : before_(End()) {
  End() = std::min(before_, RealClock().Monotonic() + left);
}
DeadlineScope::~DeadlineScope() { End() = before_; }

absl::Duration TimeLeft() {
  if (End() == absl::InfiniteDuration()) return End();
  return std::max(End() - RealClock().Monotonic(), absl::ZeroDuration());
}

}  // namespace godwit
