// Waves on the command line, without any service.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "cli/views/wave_view.h"
#include "cli/wave_options.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/cli/run.h"

namespace godwit::cli {
namespace {

using ::godwit::testing::StatusIs;
using jobs::v1::WaveRun;
using jobs::v1::WaveRunGroup;
using jobs::v1::WaveRunServer;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(WaveOptionsTest, ChecksOfGates) {
  ASSERT_OK_AND_ASSIGN(const auto tcp, ParseGateCheck("tcp=5432"));
  EXPECT_EQ(tcp.tcp_port(), 5432);
  ASSERT_OK_AND_ASSIGN(const auto http, ParseGateCheck("http=8080/up,status=204"));
  EXPECT_EQ(http.http().guest_port(), 8080);
  EXPECT_EQ(http.http().path(), "/up");
  EXPECT_EQ(http.http().status(), 204);
  ASSERT_OK_AND_ASSIGN(const auto command, ParseGateCheck("command=test -e /run/ok"));
  EXPECT_EQ(command.command().command(), "test -e /run/ok");
  for (const char* wrong : {"", "tcp=", "tcp=0", "http=x", "command=", "ping"}) {
    EXPECT_THAT(ParseGateCheck(wrong), StatusIs(absl::StatusCode::kInvalidArgument, "--check: "))
        << wrong;
  }
}

WaveRun RunIn(WaveRun::State state) {
  WaveRun run;
  run.set_name("waveRuns/wr-00000000000000001");
  run.set_state(state);
  run.set_state_reason("Data: 1 server failed");
  WaveRunGroup& group = *run.add_groups();
  group.set_display_name("Data");
  group.set_state(WaveRunGroup::RUNNING);
  for (const auto server_state : {WaveRunServer::SUCCEEDED, WaveRunServer::LAUNCHING,
                                  WaveRunServer::FAILED, WaveRunServer::WAITING}) {
    WaveRunServer& server = *group.add_servers();
    server.set_source_server("sourceServers/s-00000000000000001");
    server.set_hostname("db1");
    server.set_state(server_state);
  }
  return run;
}

TEST(WaveViewTest, SaysWhereItStandsAndHowToGoOn) {
  const WaveRun run = RunIn(WaveRun::STOPPED);
  EXPECT_EQ(WaveNow(run), "1 of 4 servers done, 1 under way, 1 failed; Data");
  EXPECT_EQ(WaveFraction(run), 0.25);
  std::ostringstream out;
  PrintWaveRun(run, out);
  EXPECT_THAT(out.str(), AllOf(HasSubstr("db1"), HasSubstr("LAUNCHING"),
                               HasSubstr("godwit waves resume wr-00000000000000001 --retry")));
  std::ostringstream waiting;
  PrintWaveRun(RunIn(WaveRun::WAITING_FOR_APPROVAL), waiting);
  EXPECT_THAT(waiting.str(), HasSubstr("godwit waves approve wr-00000000000000001"));
  std::ostringstream running;
  PrintWaveRun(RunIn(WaveRun::RUNNING), running);
  EXPECT_THAT(running.str(), Not(HasSubstr("go on with")));
}

TEST(WaveViewTest, APlanShowsOrderAndReasons) {
  jobs::v1::WaveRunPlan plan;
  plan.set_wave("waves/wave-00000000000000001");
  plan.set_wave_display_name("First");
  auto& group = *plan.add_groups();
  group.set_display_name("Web");
  group.set_placement("after Data");
  group.set_needs_approval(true);
  auto& server = *group.add_servers();
  server.set_hostname("web1");
  auto& finding = *server.add_findings();
  finding.set_severity(jobs::v1::PlanFinding::BLOCKER);
  finding.set_reason("JOB_UNDER_WAY");
  finding.set_message("jobs/job-1 is under way");
  std::ostringstream out;
  PrintWavePlan(plan, out);
  EXPECT_THAT(out.str(), AllOf(HasSubstr("1. Web (after Data), waits for approval"),
                               HasSubstr("BLOCKED"), HasSubstr("JOB_UNDER_WAY")));
}

TEST(WaveCommandsTest, HelpNamesTheVerbs) {
  const Ran help = Godwit({"waves", "--help"});
  EXPECT_EQ(help.exit_code, kDone);
  for (const char* verb : {"waves plan", "waves cutover", "waves run show", "waves approve"}) {
    EXPECT_THAT(help.out, HasSubstr(verb));
  }
}

}  // namespace
}  // namespace godwit::cli
