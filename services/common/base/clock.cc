#include "services/common/base/clock.h"

#include <time.h>

#include "absl/time/clock.h"
#include "services/common/base/steady_waits.h"

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
constexpr int kSteadyStartUnixSeconds = 1'000'000'000;

}  // namespace

Clock& RealClock() {
  // Never destroyed: threads may ask until the very end.
  static SystemClock& clock = *new SystemClock();
  KeepSteadyWaits();
  return clock;
}

absl::Time SteadyNow() {
  // Far from the epoch: "a minute after absl::Time()" is past on a machine that just started, too.
  return absl::FromUnixSeconds(kSteadyStartUnixSeconds) + RealClock().Monotonic();
}

absl::Time OnSteadyClock(absl::Time wall) { return SteadyNow() - (absl::Now() - wall); }

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
