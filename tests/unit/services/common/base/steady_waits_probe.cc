// Run by steady_waits_test under a wall clock that is off: status 0 when waits last as long as they
// should all the same.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"

namespace godwit {
namespace {

constexpr absl::Duration kWait = absl::Milliseconds(200);
constexpr absl::Duration kLongest = absl::Seconds(10);

int failures = 0;

void Expect(bool holds, const char* what, absl::Duration measured) {
  if (holds) return;
  ++failures;
  std::fprintf(stderr, "%s: %s\n", what, absl::FormatDuration(measured).c_str());
}

void ExpectWaits(const char* what, const std::function<void()>& wait) {
  const absl::Time from = SteadyNow();
  wait();
  const absl::Duration took = SteadyNow() - from;
  Expect(took >= kWait - absl::Milliseconds(1) && took < kLongest, what, took);
}

// How far the clock is off, for all to read and to change.
std::atomic<std::int64_t>* MapShift() {
  const char* const path = getenv("GODWIT_CLOCK_SHIFT_FILE");
  const int fd = path == nullptr ? -1 : open(path, O_RDWR | O_CLOEXEC);
  void* const at = mmap(nullptr, sizeof(std::int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (fd >= 0) close(fd);
  return at == MAP_FAILED ? nullptr : static_cast<std::atomic<std::int64_t>*>(at);
}

void WaitInEveryWay() {
  absl::Mutex mutex;
  absl::CondVar condition;
  absl::Notification notification;
  bool never = false;
  ExpectWaits("AwaitWithTimeout", [&] {
    absl::MutexLock lock(&mutex);
    mutex.AwaitWithTimeout(absl::Condition(&never), kWait);
  });
  ExpectWaits("WaitWithTimeout", [&] {
    absl::MutexLock lock(&mutex);
    condition.WaitWithTimeout(&mutex, kWait);
  });
  ExpectWaits("WaitWithDeadline", [&] {
    absl::MutexLock lock(&mutex);
    condition.WaitWithDeadline(&mutex, absl::Now() + kWait);
  });
  ExpectWaits("WaitForNotificationWithTimeout",
              [&] { notification.WaitForNotificationWithTimeout(kWait); });
}

void WaitWhileItSteps(std::atomic<std::int64_t>& shift) {
  absl::Mutex mutex;
  bool never = false;
  std::atomic<bool> ended{false};
  std::thread stepper([&] {
    for (std::int64_t hours = -1; !ended; hours = -hours) {
      absl::SleepFor(kWait / 3);
      shift = absl::ToInt64Nanoseconds(absl::Hours(hours));
    }
  });
  ExpectWaits("AwaitWithTimeout while the clock steps", [&] {
    absl::MutexLock lock(&mutex);
    mutex.AwaitWithTimeout(absl::Condition(&never), kWait);
  });
  ended = true;
  stepper.join();
}

int Main() {
  RealClock();
  std::atomic<std::int64_t>* const shift = MapShift();
  if (shift == nullptr) return 2;
  // The control: the clock is off indeed, while the kernel's is not.
  timespec kernel{};
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &kernel);
  const absl::Duration off = absl::Now() - absl::TimeFromTimespec(kernel);
  Expect(absl::AbsDuration(off - absl::Nanoseconds(shift->load())) < kLongest,
         "the clock is not as far off as it should be", off);
  WaitInEveryWay();
  WaitWhileItSteps(*shift);
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace godwit

int main() { return godwit::Main(); }
