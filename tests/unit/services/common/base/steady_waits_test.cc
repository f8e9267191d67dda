#include "services/common/base/steady_waits.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/clock.h"

namespace godwit {
namespace {

// Runs the probe with a wall clock that is off by `shift`.
void RunUnder(absl::Duration shift) {
  const std::string path = absl::StrCat(testing::TempDir(), "/clock-shift-", getpid());
  const std::int64_t nanos = absl::ToInt64Nanoseconds(shift);
  const int fd = open(path.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(write(fd, &nanos, sizeof(nanos)), static_cast<ssize_t>(sizeof(nanos)));
  close(fd);
  const pid_t child = fork();
  if (child == 0) {
    setenv("LD_PRELOAD", GODWIT_CLOCK_SHIFT, 1);
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
    setenv("GODWIT_CLOCK_SHIFT_FILE", path.c_str(), 1);
    alarm(40);  // a wait that takes an hour
    execl(GODWIT_STEADY_WAITS_PROBE, GODWIT_STEADY_WAITS_PROBE, nullptr);
    _exit(99);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  unlink(path.c_str());
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
}

TEST(SteadyWaitsTest, AClockThatIsAhead) { RunUnder(absl::Hours(1)); }

TEST(SteadyWaitsTest, AClockThatIsBehind) { RunUnder(-absl::Hours(1)); }

TEST(SteadyWaitsTest, OtherCallsAreAsBefore) {
  EXPECT_EQ(syscall(SYS_getpid), getpid());
  errno = 0;
  EXPECT_EQ(syscall(SYS_close, -1), -1);
  EXPECT_EQ(errno, EBADF);
}

TEST(SteadyWaitsTest, SteadyNowGoesOnAndKnowsMomentsOfTheWallClock) {
  const absl::Time first = SteadyNow();
  EXPECT_GT(first - absl::UnixEpoch(), absl::Hours(24 * 365));
  EXPECT_GE(SteadyNow(), first);
  const absl::Duration ago = SteadyNow() - OnSteadyClock(absl::Now() - absl::Hours(3));
  EXPECT_LT(absl::AbsDuration(ago - absl::Hours(3)), absl::Seconds(5));
}

}  // namespace
}  // namespace godwit
