#include "services/registry/domain/transition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace godwit::registry {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

SourceServer At(Lifecycle state) {
  return {.id = "s-0123456789abcdef0", .lifecycle = state, .public_key_hash = "key"};
}

TEST(TransitionTest, LaunchesAreRemembered) {
  SourceServer server = At(Lifecycle::kReadyForTest);
  Apply(Profile::kStrict, Event::kStartTest, kNow, "job-1", server);
  EXPECT_EQ(server.lifecycle, Lifecycle::kTesting);
  EXPECT_EQ(server.state_time, kNow);
  EXPECT_EQ(server.last_test.job, "job-1");
  EXPECT_EQ(server.launch_status, LaunchStatus::kPending);
  Apply(Profile::kStrict, Event::kMarkReadyForCutover, kNow, "", server);
  EXPECT_EQ(server.last_test.finalize, kNow);
  Apply(Profile::kStrict, Event::kStartCutover, kNow, "job-2", server);
  EXPECT_EQ(server.last_cutover.job, "job-2");
  EXPECT_EQ(server.last_test.job, "job-1");
  Apply(Profile::kStrict, Event::kRevertCutover, kNow, "", server);
  EXPECT_EQ(server.last_cutover.revert, kNow);
  EXPECT_EQ(server.lifecycle, Lifecycle::kReadyForCutover);
}

TEST(TransitionTest, LenientCutoverFromTestAcceptsTheTest) {
  SourceServer server = At(Lifecycle::kTesting);
  server.last_test = {.job = "job-1", .initiate = kNow};
  Apply(Profile::kLenient, Event::kStartCutover, kNow, "job-2", server);
  EXPECT_EQ(server.lifecycle, Lifecycle::kCuttingOver);
  EXPECT_EQ(server.last_test.finalize, kNow);
}

TEST(TransitionTest, FinalizeNeedsALaunchedMachine) {
  SourceServer server = At(Lifecycle::kCuttingOver);
  server.last_cutover = {.job = "job-2", .initiate = kNow};
  server.launch_status = LaunchStatus::kInProgress;
  EXPECT_EQ(Refuse(Profile::kLenient, server, Event::kFinalizeCutover)->reason, "LAUNCH_UNDER_WAY");
  server.launch_status = LaunchStatus::kFailed;
  EXPECT_EQ(Refuse(Profile::kStrict, server, Event::kFinalizeCutover)->reason,
            "CUTOVER_NOT_LAUNCHED");
  EXPECT_FALSE(Refuse(Profile::kLenient, server, Event::kFinalizeCutover));
  server.launch_status = LaunchStatus::kLaunched;
  EXPECT_FALSE(Refuse(Profile::kStrict, server, Event::kFinalizeCutover));
}

TEST(TransitionTest, DisconnectThenFinalizeAsScriptsDo) {
  SourceServer server = At(Lifecycle::kDisconnected);
  EXPECT_EQ(Refuse(Profile::kLenient, server, Event::kFinalizeCutover)->reason,
            "CUTOVER_NOT_LAUNCHED");
  server.last_cutover.job = "job-2";
  EXPECT_FALSE(Refuse(Profile::kLenient, server, Event::kFinalizeCutover));
  EXPECT_EQ(Refuse(Profile::kStrict, server, Event::kFinalizeCutover)->reason,
            "WRONG_LIFECYCLE_STATE");
}

TEST(TransitionTest, ReplicationNeedsAnAgentThatMayAct) {
  SourceServer server = At(Lifecycle::kStopped);
  EXPECT_FALSE(Refuse(Profile::kStrict, server, Event::kStartReplication));
  server.identity_revoked = true;
  EXPECT_EQ(Refuse(Profile::kStrict, server, Event::kStartReplication)->reason, "IDENTITY_REVOKED");
  server.public_key_hash.clear();
  EXPECT_EQ(Refuse(Profile::kStrict, server, Event::kStartReplication)->reason, "NO_AGENT");
}

TEST(TransitionTest, LaunchReportsAreIdempotentAndNeverGoBack) {
  SourceServer server = At(Lifecycle::kTesting);
  server.launch_job = "job-2";
  server.launch_status = LaunchStatus::kPending;
  LaunchReport report{.job = "job-1", .status = LaunchStatus::kLaunched, .machine = "{1}"};
  EXPECT_FALSE(ApplyLaunchReport(report, server));  // of an older job
  report.job = "job-2";
  EXPECT_TRUE(ApplyLaunchReport(report, server));
  EXPECT_FALSE(ApplyLaunchReport(report, server));
  report.status = LaunchStatus::kInProgress;
  EXPECT_FALSE(ApplyLaunchReport(report, server));
  EXPECT_EQ(server.launch_status, LaunchStatus::kLaunched);
  EXPECT_EQ(server.machine, "{1}");

  server.launch_job = "job-3";  // terminate
  LaunchReport end{.job = "job-3", .terminates = true, .status = LaunchStatus::kFailed};
  EXPECT_FALSE(ApplyLaunchReport(end, server));
  EXPECT_EQ(server.machine, "{1}");  // it is still there
  end.status = LaunchStatus::kTerminated;
  EXPECT_TRUE(ApplyLaunchReport(end, server));
  EXPECT_EQ(server.machine, "");
  EXPECT_EQ(server.launch_status, LaunchStatus::kTerminated);
  EXPECT_FALSE(ApplyLaunchReport(end, server));
}

TEST(TransitionTest, FailedLaunchForgetsOnlyItsOwnMachine) {
  SourceServer server = At(Lifecycle::kTesting);
  server.launch_job = "job-2";
  server.launch_status = LaunchStatus::kInProgress;
  server.machine = "{of job-1}";
  EXPECT_TRUE(ApplyLaunchReport({.job = "job-2", .status = LaunchStatus::kFailed}, server));
  EXPECT_EQ(server.machine, "{of job-1}");

  server.launch_job = "job-3";
  server.launch_status = LaunchStatus::kLaunched;
  server.machine = "{of job-3}";
  EXPECT_TRUE(ApplyLaunchReport({.job = "job-3", .status = LaunchStatus::kFailed}, server));
  EXPECT_EQ(server.machine, "");
}

}  // namespace
}  // namespace godwit::registry
