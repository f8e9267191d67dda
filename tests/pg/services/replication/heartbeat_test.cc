// What an agent is told at its heartbeats.
#include "tests/pg/services/replication/fixture.h"

namespace godwit::coordinator {
namespace {

using HeartbeatTest = CoordinatorPgTest;

TEST_F(HeartbeatTest, AgentsOfALargeFleetCallRightAfterAWindowChanges) {
  absl::Duration steady;  // from the heartbeat on
  agents_ =
      std::make_unique<AgentReports>(*pool_, registry_, [&](const std::string&, absl::Time now) {
        return Settings{.bandwidth = {.paused = true, .until = now + steady},
                        .retention = DefaultRetention()};
      });
  agents_->SetFleetSize(1000000);
  const std::int64_t worker = Register(kWorker1, "shared");
  ASSERT_OK(Beat(kWorker1, worker));
  steady = absl::InfiniteDuration();
  Start(kServer1);
  Place();
  const auto interval = [&](absl::Duration window) {
    steady = window;
    const auto answer = AgentBeat(kServer1);
    EXPECT_OK(answer);
    if (!answer.ok()) return absl::ZeroDuration();
    EXPECT_EQ(answer->action, Action::kReplicate);
    EXPECT_TRUE(answer->settings.bandwidth.paused);
    return answer->heartbeat_interval;
  };
  EXPECT_EQ(interval(absl::InfiniteDuration()), absl::Seconds(10));
  EXPECT_EQ(interval(absl::Minutes(1)), absl::Seconds(10));
  EXPECT_EQ(interval(absl::Milliseconds(2500)), absl::Milliseconds(2500));
  EXPECT_EQ(interval(absl::Milliseconds(1)), absl::Milliseconds(100));
}

}  // namespace
}  // namespace godwit::coordinator
