// What a run would do, and what stands in its way.
#include "services/jobs/app/wave_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/support/status_matchers.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Lifecycle = FleetServer::Lifecycle;
using Launch = FleetServer::Launch;

FleetServer Server(const std::string& id, Lifecycle lifecycle, Launch launch = Launch::kNone) {
  return {
      .id = id, .hostname = id, .lifecycle = lifecycle, .lifecycle_word = "X", .launch = launch};
}
FleetWave Wave(std::vector<FleetServer> servers) {
  return {.id = "wave-1",
          .display_name = "First",
          .applications = {{.id = "app-1", .display_name = "Shop", .servers = std::move(servers)}}};
}
WavePlan PlanOf(WaveKind kind, const FleetServer& server,
                const std::map<std::string, std::string>& jobs = {}) {
  const auto plan = MakePlan({.kind = kind, .wave = "wave-1"}, Wave({server}), jobs);
  EXPECT_OK(plan);
  return plan.ok() ? *plan : WavePlan();
}
// Reasons of what is found about the one server; blockers in capitals, as they are, warnings with
// "?" before.
std::vector<std::string> Found(WaveKind kind, const FleetServer& server,
                               const std::map<std::string, std::string>& jobs = {}) {
  std::vector<std::string> out;
  const WavePlan plan = PlanOf(kind, server, jobs);
  for (const WaveFinding& finding : plan.groups.at(0).servers.at(0).findings) {
    out.push_back(absl::StrCat(finding.blocks ? "" : "?", finding.reason));
  }
  return out;
}

TEST(WavePlanTest, EachKindKnowsItsStates) {
  struct Case {
    WaveKind kind;
    Lifecycle lifecycle;
    Launch launch;
    std::vector<std::string> found;
    bool done = false;
  };
  const std::vector<std::string> none, wrong = {"WRONG_LIFECYCLE_STATE"};
  for (const Case& c : std::vector<Case>{
           {WaveKind::kTest, Lifecycle::kReadyForTest, Launch::kNone, none},
           {WaveKind::kTest, Lifecycle::kTesting, Launch::kLaunched, none},
           {WaveKind::kTest, Lifecycle::kNotReady, Launch::kNone, wrong},
           {WaveKind::kTest, Lifecycle::kReadyForCutover, Launch::kNone, wrong},
           {WaveKind::kTest, Lifecycle::kCutover, Launch::kLaunched, wrong},
           {WaveKind::kMarkReady, Lifecycle::kTesting, Launch::kLaunched, none},
           {WaveKind::kMarkReady, Lifecycle::kTesting, Launch::kFailed, {"?TEST_FAILED"}},
           {WaveKind::kMarkReady, Lifecycle::kReadyForTest, Launch::kNone, {"?NEVER_TESTED"}},
           {WaveKind::kMarkReady, Lifecycle::kReadyForCutover, Launch::kNone, none, true},
           {WaveKind::kCutover, Lifecycle::kReadyForCutover, Launch::kNone, none},
           {WaveKind::kCutover, Lifecycle::kTesting, Launch::kLaunched, {"?NOT_MARKED_READY"}},
           {WaveKind::kCutover, Lifecycle::kCuttingOver, Launch::kLaunched, none, true},
           {WaveKind::kCutover, Lifecycle::kCuttingOver, Launch::kFailed, wrong},
           {WaveKind::kCutover, Lifecycle::kDisconnected, Launch::kNone, wrong},
           {WaveKind::kFinalize, Lifecycle::kCuttingOver, Launch::kLaunched, none},
           {WaveKind::kFinalize, Lifecycle::kCuttingOver, Launch::kFailed, {"NOT_LAUNCHED"}},
           {WaveKind::kFinalize, Lifecycle::kCutover, Launch::kLaunched, none, true},
           {WaveKind::kFinalize, Lifecycle::kReadyForCutover, Launch::kNone, wrong}}) {
    const FleetServer server = Server("s-1", c.lifecycle, c.launch);
    EXPECT_EQ(Found(c.kind, server), c.found)
        << "kind " << static_cast<int>(c.kind) << ", state " << static_cast<int>(c.lifecycle);
    EXPECT_EQ(AlreadyDone(c.kind, server), c.done);
  }
}

TEST(WavePlanTest, NamesTheJobInTheWay) {
  const FleetServer server = Server("s-1", Lifecycle::kReadyForTest);
  EXPECT_THAT(Found(WaveKind::kTest, server, {{"s-1", "job-7"}}), ElementsAre("JOB_UNDER_WAY"));
  EXPECT_THAT(Found(WaveKind::kTest, Server("s-1", Lifecycle::kTesting, Launch::kPending)),
              ElementsAre("JOB_UNDER_WAY"));
}

TEST(WavePlanTest, TellsWhatMayGoWrongAndWhatMustBeMended) {
  FleetServer server = Server("s-1", Lifecycle::kReadyForTest);
  server.identity_revoked = true;
  server.replication_problem = "STALLED";
  EXPECT_THAT(Found(WaveKind::kTest, server),
              ElementsAre("?IDENTITY_REVOKED", "?REPLICATION_STALLED"));
  FleetServer action = Server("s-1", Lifecycle::kCuttingOver, Launch::kLaunched);
  action.blocking_action = "join-domain";
  EXPECT_THAT(Found(WaveKind::kFinalize, action), ElementsAre("POST_LAUNCH_ACTION_FAILED"));
}

TEST(WavePlanTest, AWaveWithoutServersOrArchivedCannotRun) {
  FleetWave wave = Wave({});
  wave.archived = true;
  ASSERT_OK_AND_ASSIGN(const WavePlan plan, MakePlan({.wave = "wave-1"}, wave, {}));
  ASSERT_EQ(plan.findings.size(), 2u);
  EXPECT_EQ(plan.findings[0].reason, "ARCHIVED");
  EXPECT_EQ(plan.findings[1].reason, "EMPTY");
}

TEST(WavePlanTest, RefusesNamesThatAreNotInTheWave) {
  WaveRequest request{.wave = "wave-1", .groups = {{.wish = {.id = "app-9"}}}};
  EXPECT_THAT(MakePlan(request, Wave({}), {}),
              StatusIs(absl::StatusCode::kInvalidArgument, "options.groups[0].application: "));
  request.groups = {{.wish = {.id = "app-1"}, .checks = {{.server = "s-9", .tcp_port = 22}}}};
  EXPECT_THAT(
      MakePlan(request, Wave({}), {}),
      StatusIs(absl::StatusCode::kInvalidArgument, "options.groups[0].checks[0].source_server: "));
}

TEST(WavePlanTest, AGateThatNeedsMoreMachinesThanMayExistIsABlocker) {
  WaveRequest request{.wave = "wave-1",
                      .options = {.max_machines = 1, .remove_test_machines = true},
                      .groups = {{.wish = {.id = "app-1"}, .checks = {{.tcp_port = 22}}}}};
  ASSERT_OK_AND_ASSIGN(const WavePlan plan,
                       MakePlan(request,
                                Wave({Server("s-1", Lifecycle::kReadyForTest),
                                      Server("s-2", Lifecycle::kReadyForTest)}),
                                {}));
  ASSERT_EQ(plan.findings.size(), 1u);
  EXPECT_EQ(plan.findings[0].reason, "TOO_FEW_MACHINES");
}

TEST(WavePlanTest, TheRunLeavesOutWhatIsBlockedAndWhatIsDone) {
  FleetServer done = Server("s-3", Lifecycle::kCuttingOver, Launch::kLaunched);
  done.last_cutover_job = "job-3";
  const FleetWave wave =
      Wave({Server("s-1", Lifecycle::kReadyForCutover), Server("s-2", Lifecycle::kNotReady), done});
  ASSERT_OK_AND_ASSIGN(const WavePlan plan,
                       MakePlan({.kind = WaveKind::kCutover, .wave = "wave-1"}, wave, {}));
  EXPECT_EQ(plan.blocked_servers(), 1);
  const WaveRun run = MakeRun(plan, "wr-1", "user/operator/o");
  ASSERT_EQ(run.groups.size(), 1u);
  EXPECT_EQ(run.groups[0].members[0].state, MemberState::kWaiting);
  EXPECT_EQ(run.groups[0].members[1].state, MemberState::kSkipped);
  EXPECT_THAT(run.groups[0].members[1].reason, HasSubstr("WRONG_LIFECYCLE_STATE"));
  EXPECT_EQ(run.groups[0].members[2].state, MemberState::kSucceeded);
  EXPECT_EQ(run.groups[0].members[2].job, "job-3") << "gates look at its machine, too";
}

TEST(WavePlanTest, ApprovalBeforeEveryGroupButTheFirst) {
  FleetWave wave = Wave({Server("s-1", Lifecycle::kReadyForTest)});
  wave.applications.push_back({.id = "app-2", .display_name = "Web"});
  ASSERT_OK_AND_ASSIGN(const WavePlan plan,
                       MakePlan({.wave = "wave-1", .approve_each_group = true}, wave, {}));
  EXPECT_FALSE(plan.groups[0].needs_approval);
  EXPECT_TRUE(plan.groups[1].needs_approval);
  EXPECT_THAT(plan.findings, IsEmpty());
}

}  // namespace
}  // namespace godwit::jobs
