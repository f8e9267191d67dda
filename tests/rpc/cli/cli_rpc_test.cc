// Commands against services: what they ask, print and end with.
#include "tests/rpc/cli/fake_installation.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/cli/run.h"

namespace godwit::cli {
namespace {

using jobs::v1::Job;
using jobs::v1::JobStep;
using registry::v1::SourceServer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kOne[] = "s-00000000000000001";
constexpr char kTwo[] = "s-00000000000000002";

SourceServer Server(const std::string& id, const std::string& host,
                    SourceServer::LifecycleState state) {
  SourceServer server;
  server.set_name("sourceServers/" + id);
  server.mutable_properties()->set_hostname(host);
  server.set_lifecycle_state(state);
  return server;
}

Job JobIn(Job::State state) {
  Job job;
  job.set_name("jobs/job-00000000000000001");
  job.set_type(Job::TEST_LAUNCH);
  job.set_state(state);
  auto& server = *job.add_servers();
  server.set_source_server(absl::StrCat("sourceServers/", kOne));
  auto& step = *server.add_steps();
  step.set_step("convert");
  step.set_state(state == Job::RUNNING     ? JobStep::RUNNING
                 : state == Job::SUCCEEDED ? JobStep::SUCCEEDED
                                           : JobStep::FAILED);
  if (state == Job::FAILED) server.mutable_error()->set_message("no kernel found");
  return job;
}

class CliTest : public ::testing::Test {
 protected:
  CliTest() {
    fake_.registry.servers = {Server(kOne, "web1", SourceServer::READY_FOR_TEST),
                              Server(kTwo, "web2", SourceServer::TESTING)};
    fake_.registry.job = JobIn(Job::RUNNING);
  }
  Ran Do(std::vector<std::string> arguments) { return Godwit(fake_.Options(std::move(arguments))); }

  testing::FakeInstallation fake_;
};

TEST_F(CliTest, ListsAllPages) {
  const Ran table = Do({"servers", "list"});
  EXPECT_EQ(table.exit_code, kDone) << table.err;
  EXPECT_THAT(table.out, HasSubstr("web1"));
  EXPECT_THAT(table.out, HasSubstr("web2"));
  const Ran json = Do({"servers", "list", "--output", "json"});
  EXPECT_THAT(json.out, HasSubstr(kOne));
  EXPECT_THAT(json.out, HasSubstr(kTwo));
}

TEST_F(CliTest, FindsServersByHostName) {
  EXPECT_THAT(Do({"servers", "get", "web2"}).out, HasSubstr(kTwo));
  const Ran none = Do({"servers", "get", "web9"});
  EXPECT_EQ(none.exit_code, kNotFound);
  fake_.registry.servers[1] = Server(kTwo, "web1", SourceServer::TESTING);
  const Ran both = Do({"servers", "get", "web1"});
  EXPECT_EQ(both.exit_code, kUsage);
  EXPECT_THAT(both.err, HasSubstr(absl::StrCat(kOne, ", ", kTwo)));
}

TEST_F(CliTest, RepeatsAStartWithTheSameRequestId) {
  fake_.registry.unavailable_times = 2;
  const Ran ran = Do({"test", "web1"});
  EXPECT_EQ(ran.exit_code, kDone) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("godwit jobs watch job-00000000000000001"));
  ASSERT_EQ(fake_.registry.request_ids.size(), 3u);
  EXPECT_EQ(fake_.registry.request_ids[0], fake_.registry.request_ids[2]);
}

TEST_F(CliTest, WaitsUntilTheJobEndedAcrossLostStreams) {
  fake_.jobs.states = {JobIn(Job::RUNNING), JobIn(Job::SUCCEEDED)};
  fake_.jobs.cut_streams = 1;
  const Ran ran = Do({"test", "web1", "--wait", "--output", "json"});
  EXPECT_EQ(ran.exit_code, kDone) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("\"state\": \"SUCCEEDED\""));
  EXPECT_THAT(ran.err, HasSubstr("convert  SUCCEEDED"));
}

TEST_F(CliTest, AFailedJobEndsWithOneAndItsCause) {
  fake_.jobs.states = {JobIn(Job::FAILED)};
  const Ran ran = Do({"test", "web1", "--wait"});
  EXPECT_EQ(ran.exit_code, kFailed);
  EXPECT_THAT(ran.err, HasSubstr("no kernel found"));
  EXPECT_THAT(ran.err, HasSubstr("try: godwit jobs log job-00000000000000001"));
}

TEST_F(CliTest, AWaitThatIsOverEndsWithSevenAndSaysHowToGoOn) {
  fake_.jobs.states = {JobIn(Job::RUNNING)};
  fake_.jobs.linger = absl::Seconds(20);
  const Ran ran = Do({"test", "web1", "--wait", "--timeout", "500ms"});
  EXPECT_EQ(ran.exit_code, kTimedOut);
  EXPECT_THAT(ran.err, HasSubstr("is RUNNING after 500ms; it goes on"));
  EXPECT_THAT(ran.err, HasSubstr("try: godwit jobs watch job-00000000000000001"));
}

TEST_F(CliTest, ARefusalIsExplained) {
  fake_.registry.refusal = rpc::WithInfo(
      absl::FailedPreconditionError("it is CUTTING_OVER"),
      {.reason = "WRONG_LIFECYCLE_STATE", .metadata = {{"helpful_call", "RevertCutover"}}});
  const Ran ran = Do({"test", "web1"});
  EXPECT_EQ(ran.exit_code, kRefused);
  EXPECT_EQ(ran.err,
            absl::StrCat("refused: it is CUTTING_OVER (WRONG_LIFECYCLE_STATE)\ntry: godwit revert ",
                         kOne, "\n"));
}

TEST_F(CliTest, RevertFollowsTheState) {
  EXPECT_EQ(Do({"revert", "web2"}).exit_code, kDone);
  fake_.registry.servers[0].set_lifecycle_state(SourceServer::CUTTING_OVER);
  EXPECT_EQ(Do({"revert", "web1"}).exit_code, kDone);
  EXPECT_EQ(Do({"revert", "web1", "--to", "ready-for-test"}).exit_code, kDone);
  EXPECT_THAT(fake_.registry.methods,
              ElementsAre("RevertToReadyForTest", "RevertCutover", "RevertToReadyForTest"));
}

TEST_F(CliTest, LaunchSettingsChangeOnlyWhatIsGiven) {
  fake_.registry.settings.set_cpu_count(3);
  fake_.registry.settings.mutable_boot_proof()->set_console_text("login:");
  const Ran ran = Do({"launch-settings", "set", "web1", "--boot-timeout", "15m", "--quiesce=false",
                      "--export-format", "ova"});
  EXPECT_EQ(ran.exit_code, kDone) << ran.err;
  const auto& update = fake_.registry.last_update;
  EXPECT_THAT(update.update_mask().paths(),
              ElementsAre("boot_proof", "export_format", "quiesce_source_on_cutover"));
  EXPECT_EQ(update.settings().export_format(), "ova");
  EXPECT_EQ(update.settings().boot_proof().console_text(), "login:");
  EXPECT_EQ(update.settings().boot_proof().timeout().seconds(), 900);
  EXPECT_EQ(Do({"launch-settings", "set", "web1", "--windows-allow-unclean"}).exit_code, kDone);
  EXPECT_THAT(update.update_mask().paths(), ElementsAre("windows_allow_unclean"));
  EXPECT_TRUE(update.settings().windows_allow_unclean());
}

TEST_F(CliTest, ASlowAnswerEndsWithSeven) {
  fake_.registry.delay = absl::Seconds(1);
  const Ran ran = Do({"servers", "get", kOne, "--call-timeout", "100ms"});
  EXPECT_EQ(ran.exit_code, kTimedOut);
  EXPECT_THAT(ran.err, HasSubstr("the registry service at 127.0.0.1:"));
}

TEST_F(CliTest, WaitsForAState) {
  EXPECT_EQ(Do({"servers", "wait", "web1"}).exit_code, kDone);
  const Ran over =
      Do({"servers", "wait", "web2", "--state", "ready-for-cutover", "--timeout", "100ms"});
  EXPECT_EQ(over.exit_code, kTimedOut);
  EXPECT_THAT(over.err, HasSubstr("is not READY_FOR_CUTOVER after 100ms"));
  fake_.registry.servers[1].set_lifecycle_state(SourceServer::DISCONNECTED);
  const Ran never = Do({"servers", "wait", "web2"});
  EXPECT_EQ(never.exit_code, kFailed);
}

TEST_F(CliTest, AServiceThatIsNotThereEndsWithFive) {
  const Ran ran =
      Godwit({"--tls-dir", fake_.Options({})[1], "--registry", "127.0.0.1:1", "servers", "list"});
  EXPECT_EQ(ran.exit_code, kUnavailable);
  EXPECT_THAT(ran.err, HasSubstr("the registry service at 127.0.0.1:1"));
}

}  // namespace
}  // namespace godwit::cli
