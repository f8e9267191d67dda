#include "services/common/base/clock.h"

#include <time.h>

#include "absl/time/clock.h"

namespace godwit {
namespace {

class SystemClock final : public Clock {
 public:
  absl::Time Now() override { return absl::Now(); }
  absl::Duration Monotonic() override {
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return absl::DurationFromTimespec(now);
  }
  void Sleep(absl::Duration duration) override { absl::SleepFor(duration); }
};

constexpr int kFakeEpochUnixSeconds = 1'700'000'000;

}  // namespace

Clock& RealClock() {
  // Never destroyed: threads may ask until the very end.
  static SystemClock& clock = *new SystemClock();
  return clock;
}

absl::Time FakeClock::Now() {
  absl::MutexLock lock(&mutex_);
  return absl::FromUnixSeconds(kFakeEpochUnixSeconds) + elapsed_;
}

absl::Duration FakeClock::Monotonic() {
  absl::MutexLock lock(&mutex_);
  return elapsed_;
}

void FakeClock::Advance(absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  elapsed_ += duration;
}

}  // namespace godwit
