// systemd hears of a gateway that works, and nothing of one that is stuck.
#include "services/gateway/http/watchdog.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/support/notify_socket.h"

namespace godwit::gateway {
namespace {

TEST(Watchdog, PingsWhileWorkIsDone) {
  ::godwit::testing::NotifySocket systemd;
  auto server = HttpServer::Start(
      {.listen = "127.0.0.1:0",
       .handle = [](Request, std::function<void(Response)> answer) { answer({}); },
       .refuse = [](const HeadFault&, const std::string&) { return Response(); }});
  ASSERT_TRUE(server.ok()) << server.status();
  WorkerPool pool(1, 4);
  { const Watchdog unwatched(**server, pool); }
  EXPECT_EQ(systemd.Hear(false), "");
  setenv("WATCHDOG_USEC", "300000", 1);  // a ping every 100 ms
  absl::Notification go_on, stuck;
  {
    const Watchdog watchdog(**server, pool);
    EXPECT_EQ(systemd.Hear(true), "WATCHDOG=1");
    EXPECT_EQ(systemd.Hear(true), "WATCHDOG=1");
    pool.Submit([&] {
      stuck.Notify();
      go_on.WaitForNotification();
    });
    stuck.WaitForNotification();
    while (!systemd.Hear(false).empty()) {
    }
    // One may still come of what was done before.
    const absl::Time until = absl::Now() + absl::Seconds(1);
    int pings = 0;
    for (; absl::Now() < until; absl::SleepFor(absl::Milliseconds(20)))
      pings += !systemd.Hear(false).empty();
    EXPECT_LE(pings, 1);
    go_on.Notify();
    EXPECT_EQ(systemd.Hear(true), "WATCHDOG=1");
  }
  unsetenv("WATCHDOG_USEC");
}

}  // namespace
}  // namespace godwit::gateway
