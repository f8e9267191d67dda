#include "services/common/base/steady_waits.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <time.h>

namespace godwit {
namespace {

constexpr long kNanosOfSecond = 1'000'000'000;
constexpr long kLastErrno = 4095;

bool WaitsForWallClock(long operation) {
  return (operation & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET &&
         (operation & FUTEX_CLOCK_REALTIME) != 0;
}

// The moment `wall` of the wall clock, as it stands now, on the monotonic clock; not before its
// start.
timespec OnMonotonic(const timespec& wall) {
  timespec now{}, steady{};
  clock_gettime(CLOCK_REALTIME, &now);
  clock_gettime(CLOCK_MONOTONIC, &steady);
  timespec out = {.tv_sec = wall.tv_sec - now.tv_sec + steady.tv_sec,
                  .tv_nsec = wall.tv_nsec - now.tv_nsec + steady.tv_nsec};
  while (out.tv_nsec < 0) {
    out.tv_nsec += kNanosOfSecond;
    --out.tv_sec;
  }
  while (out.tv_nsec >= kNanosOfSecond) {
    out.tv_nsec -= kNanosOfSecond;
    ++out.tv_sec;
  }
  return out.tv_sec < 0 ? timespec{} : out;
}

#if defined(__x86_64__)
#define GODWIT_STEADY_WAITS 1
long Kernel(long number, const long (&a)[6]) {
  long result = 0;
  register long r10 asm("r10") = a[3];
  register long r8 asm("r8") = a[4];
  register long r9 asm("r9") = a[5];
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
#define GODWIT_STEADY_WAITS 1
long Kernel(long number, const long (&a)[6]) {
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a[0];
  register long x1 asm("x1") = a[1];
  register long x2 asm("x2") = a[2];
  register long x3 asm("x3") = a[3];
  register long x4 asm("x4") = a[4];
  register long x5 asm("x5") = a[5];
  asm volatile("svc 0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory", "cc");
  return x0;
}
#endif

}  // namespace

void KeepSteadyWaits() {}

}  // namespace godwit

#ifdef GODWIT_STEADY_WAITS
// Instead of libc's, which does the same but for waits on the wall clock.
extern "C" long syscall(long number, ...) noexcept {
  long arguments[6];
  va_list list;
  va_start(list, number);
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  timespec until{};
  if (number == SYS_futex && arguments[3] != 0 && godwit::WaitsForWallClock(arguments[1])) {
    until = godwit::OnMonotonic(*reinterpret_cast<const timespec*>(arguments[3]));
    arguments[1] &= ~static_cast<long>(FUTEX_CLOCK_REALTIME);
    arguments[3] = reinterpret_cast<long>(&until);
  }
  const long result = godwit::Kernel(number, arguments);
  if (result < 0 && result >= -godwit::kLastErrno) {
    errno = static_cast<int>(-result);
    return -1;
  }
  return result;
}
#endif
