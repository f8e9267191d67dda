#include "services/replication/coordinator/domain/replication_state.h"

#include <gtest/gtest.h>

namespace godwit::coordinator {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1780000000);

// Replicating well: connected, nothing to send, one point.
Server Healthy() {
  Server server;
  server.id = "s-00000000000000001";
  server.now = kNow;
  server.state = State::kContinuous;
  server.state_time = server.attempt_time = kNow - absl::Hours(1);
  server.transferring = true;
  server.flow_time = kNow - absl::Seconds(1);
  server.worker_id = "w-00000000000000001";
  server.worker_alive = true;
  server.generation = server.connected_generation = server.group_generation = 3;
  server.agent_seen_time = kNow - absl::Seconds(1);
  server.phase = Phase::kIdle;
  server.disks = {{.disk_id = "d-00000000000000001", .size_bytes = 1 << 30}};
  server.latest_point_id = "p-00000000000000001";
  server.latest_cut_time = kNow - absl::Seconds(2);
  return server;
}

// Just started by the registry.
Server Fresh() {
  Server server;
  server.now = kNow;
  server.state_time = server.attempt_time = kNow - absl::Seconds(5);
  return server;
}

TEST(JudgeTest, WishesThatNeedNoData) {
  Server server = Healthy();
  server.wish = Wish::kStop;
  EXPECT_EQ(Judge(server).state, State::kStopped);
  server.wish = Wish::kPause;
  EXPECT_EQ(Judge(server).state, State::kPaused);
  server.wish = Wish::kDisconnect;
  EXPECT_EQ(Judge(server).state, State::kDisconnected);
}

TEST(JudgeTest, InitiationWithoutAgentStallsAfterItsTime) {
  Server server = Fresh();
  EXPECT_EQ(Judge(server).state, State::kInitiating);
  server.now += absl::Minutes(2);
  EXPECT_EQ(Judge(server).state, State::kStalled);
  EXPECT_EQ(Judge(server).cause, StallCause::kAgentNotSeen);
}

TEST(JudgeTest, InitiationWithoutWorkerSaysSo) {
  Server server = Fresh();
  server.agent_seen_time = kNow;
  server.disks = Healthy().disks;
  EXPECT_EQ(Judge(server).state, State::kInitiating);
  Steps steps = StepsOf(server);
  EXPECT_EQ(steps[0], StepStatus::kSucceeded);
  EXPECT_EQ(steps[1], StepStatus::kSkipped);
  EXPECT_EQ(steps[2], StepStatus::kInProgress);
  EXPECT_EQ(steps[4], StepStatus::kSucceeded);  // the agent is there
  EXPECT_EQ(steps[8], StepStatus::kNotStarted);
  server.now += absl::Minutes(2);
  server.agent_seen_time = server.now;
  EXPECT_EQ(Judge(server).cause, StallCause::kNoWorkerAvailable);
  server.state = State::kStalled;
  EXPECT_EQ(StepsOf(server)[2], StepStatus::kFailed);
}

TEST(JudgeTest, ConnectionThatNeverComesIsAFailedStep) {
  Server server = Healthy();
  server.transferring = false;
  server.flow_time.reset();
  server.latest_cut_time.reset();
  server.connected_generation = 0;
  server.phase = Phase::kConnecting;
  server.attempt_time = kNow - absl::Seconds(30);
  EXPECT_EQ(Judge(server).state, State::kInitiating);
  EXPECT_EQ(StepsOf(server)[9], StepStatus::kInProgress);
  server.attempt_time = kNow - absl::Minutes(3);
  server.agent_error = "connection refused";
  const Verdict verdict = Judge(server);
  EXPECT_EQ(verdict.cause, StallCause::kFailedToConnect);
  EXPECT_NE(verdict.message.find("connection refused"), std::string::npos);
}

TEST(JudgeTest, RunningStates) {
  Server server = Healthy();
  EXPECT_EQ(Judge(server).state, State::kContinuous);
  server.phase = Phase::kCutting;  // routine cuts are no news
  EXPECT_EQ(Judge(server).state, State::kContinuous);
  server.phase = Phase::kRescan;
  EXPECT_EQ(Judge(server).state, State::kRescan);
  server.phase = Phase::kCopying;
  server.disks[0].pending_bytes = 64 << 20;
  EXPECT_EQ(Judge(server).state, State::kContinuous);
  server.latest_cut_time = kNow - absl::Minutes(5);
  EXPECT_EQ(Judge(server).state, State::kBacklog);
  server.latest_cut_time.reset();
  EXPECT_EQ(Judge(server).state, State::kInitialSync);
  server.phase = Phase::kCutting;
  EXPECT_EQ(Judge(server).state, State::kCreatingSnapshot);
}

TEST(JudgeTest, ShortInterruptionsShowNothing) {
  Server server = Healthy();
  server.connected_generation = 0;
  server.phase = Phase::kConnecting;
  server.flow_time = kNow - absl::Seconds(30);
  EXPECT_EQ(Judge(server).state, State::kContinuous);
  server.flow_time = kNow - absl::Minutes(3);
  EXPECT_EQ(Judge(server).state, State::kStalled);
  // A retry begins the initiation again.
  server.state = State::kStalled;
  server.attempt_time = kNow;
  EXPECT_EQ(Judge(server).state, State::kInitiating);
}

TEST(JudgeTest, StallsAndTheirCauses) {
  Server server = Healthy();
  server.agent_seen_time = kNow - absl::Minutes(2);
  EXPECT_EQ(Judge(server).cause, StallCause::kAgentNotSeen);
  server = Healthy();
  server.abandoned_cut_count = 10;
  EXPECT_EQ(Judge(server).cause, StallCause::kNotConverging);
  server = Healthy();
  server.group_cause = StallCause::kStagingFull;
  server.group_error = "no space left";
  EXPECT_EQ(Judge(server).cause, StallCause::kStagingFull);
  EXPECT_EQ(Judge(server).message, "no space left");
  server.group_generation = 2;  // said by a former holder
  EXPECT_EQ(Judge(server).state, State::kContinuous);
  server.agent_cause = StallCause::kSourceReadError;
  EXPECT_EQ(Judge(server).cause, StallCause::kSourceReadError);
}

TEST(FiguresTest, LagAndEta) {
  Server server = Healthy();
  EXPECT_EQ(Lag(server), absl::Seconds(2));
  server.idle_time = kNow - absl::Seconds(1);
  EXPECT_EQ(Lag(server), absl::Seconds(1));
  EXPECT_EQ(Eta(server), std::nullopt);
  server.disks[0].pending_bytes = 100 << 20;
  server.drain_bytes_per_second = 10 << 20;
  EXPECT_EQ(Eta(server), kNow + absl::Seconds(10));
  server.drain_bytes_per_second = -5;  // it grows: no forecast
  EXPECT_EQ(Eta(server), std::nullopt);
  server.latest_cut_time.reset();
  EXPECT_EQ(Lag(server), std::nullopt);
}

TEST(FiguresTest, SmoothedSpeedFollows) {
  double speed = 0;
  for (int i = 0; i < 200; ++i) speed = Smooth(speed, 2000, 1000, absl::Seconds(1));
  EXPECT_NEAR(speed, 1000, 1);
  EXPECT_EQ(Smooth(speed, 5, 1, absl::ZeroDuration()), speed);
}

TEST(ActionTest, FollowsWishAndLease) {
  Server server = Healthy();
  EXPECT_EQ(ActionFor(server), Action::kReplicate);
  server.releasing = true;
  EXPECT_EQ(ActionFor(server), Action::kWait);
  server.releasing = false;
  server.worker_alive = false;
  EXPECT_EQ(ActionFor(server), Action::kWait);
  server.wish = Wish::kPause;
  EXPECT_EQ(ActionFor(server), Action::kPause);
  server.wish = Wish::kStop;
  EXPECT_EQ(ActionFor(server), Action::kStop);
  server.wish = Wish::kDisconnect;
  EXPECT_EQ(ActionFor(server), Action::kUninstall);
  server.keep_agent = true;
  EXPECT_EQ(ActionFor(server), Action::kStop);
}

}  // namespace
}  // namespace godwit::coordinator
