// systemd's side of sd_notify is a datagram socket.
#include "services/common/base/notify.h"

#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "tests/support/notify_socket.h"
#include "tests/support/status_matchers.h"

namespace godwit {
namespace {

class Notify : public ::testing::Test {
 protected:
  void TearDown() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
  }
};

TEST_F(Notify, ReachesTheSocket) {
  testing::NotifySocket systemd;
  EXPECT_TRUE(NotifyManager("READY=1"));
  EXPECT_EQ(systemd.Hear(false), "READY=1");
  systemd.Close();
  EXPECT_FALSE(NotifyManager("READY=1"));  // nobody listens: nothing happens
}

TEST_F(Notify, NothingWithoutSystemd) {
  unsetenv("NOTIFY_SOCKET");
  EXPECT_FALSE(NotifyManager("READY=1"));
  setenv("NOTIFY_SOCKET", "relative", 1);
  EXPECT_FALSE(NotifyManager("READY=1"));
  setenv("NOTIFY_SOCKET", std::string(200, '/').c_str(), 1);
  EXPECT_FALSE(NotifyManager("READY=1"));
}

TEST_F(Notify, WatchdogIsForTheNamedProcessOnly) {
  EXPECT_EQ(WatchdogTime(), std::nullopt);
  setenv("WATCHDOG_USEC", "30000000", 1);
  EXPECT_EQ(WatchdogTime(), absl::Seconds(30));
  setenv("WATCHDOG_PID", absl::StrCat(getpid()).c_str(), 1);
  EXPECT_EQ(WatchdogTime(), absl::Seconds(30));
  setenv("WATCHDOG_PID", absl::StrCat(getpid() + 1).c_str(), 1);
  EXPECT_EQ(WatchdogTime(), std::nullopt);
  setenv("WATCHDOG_PID", "x", 1);
  EXPECT_EQ(WatchdogTime(), std::nullopt);
}

}  // namespace
}  // namespace godwit
