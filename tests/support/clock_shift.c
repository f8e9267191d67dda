// Preloaded into a program (LD_PRELOAD): its wall clock is off by as many nanoseconds as the file
// GODWIT_CLOCK_SHIFT_FILE says (8 bytes, signed, this machine's order), and steps whenever somebody
// writes another number there. Monotonic clocks, and the kernel's own view of the time, stay as
// they are.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t kNanosOfSecond = 1000000000;
static _Atomic int64_t* shift;

__attribute__((constructor)) static void Open(void) {
  const char* const path = getenv("GODWIT_CLOCK_SHIFT_FILE");
  if (path == NULL) return;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) abort();
  void* const at = mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (at == MAP_FAILED) abort();
  shift = at;
}

int clock_gettime(clockid_t clock, struct timespec* out) {
  const int status = (int)syscall(SYS_clock_gettime, clock, out);
  if (status != 0 || shift == NULL || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
    return status;
  const int64_t nanos = out->tv_sec * kNanosOfSecond + out->tv_nsec + atomic_load(shift);
  out->tv_sec = nanos / kNanosOfSecond;
  out->tv_nsec = nanos % kNanosOfSecond;
  return 0;
}

int gettimeofday(struct timeval* restrict out, void* restrict zone) {
  (void)zone;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec;
  out->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}
