#include "services/common/pg/database_clock.h"

namespace godwit::pg {
namespace {

constexpr absl::Duration kLongestAnswer = absl::Seconds(1);

}  // namespace

absl::Time DatabaseClock::Now() {
  {
    absl::MutexLock lock(&mutex_);
    if (start_) return *start_ + host_.Monotonic();
  }
  return host_.Now();
}

void DatabaseClock::Learn(absl::Time database, absl::Duration asked) {
  const absl::Duration took = host_.Monotonic() - asked;
  absl::MutexLock lock(&mutex_);
  if (start_ && took > kLongestAnswer) return;
  start_ = database - (asked + took / 2);
}

absl::Duration DatabaseClock::HostAhead() {
  absl::MutexLock lock(&mutex_);
  return start_ ? host_.Now() - (*start_ + host_.Monotonic()) : absl::ZeroDuration();
}

}  // namespace godwit::pg
