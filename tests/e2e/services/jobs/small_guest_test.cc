// A machine with a real kernel, QEMU's guest agent and an SSH server: proof by the agent, actions
// over both transports, and what it tried to reach from an isolated network.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/jobs/steps/ssh_command.h"
#include "tests/e2e/services/jobs/boot_fixture.h"
#include "tests/support/tcp_listener.h"

namespace godwit::testing {
namespace {

using jobs::v1::ActionResult;
using jobs::v1::CreateJobRequest;
using jobs::v1::Job;
using jobs::v1::JobLogItem;
using jobs::v1::LaunchSettings;
using jobs::v1::PostLaunchAction;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class SmallGuestTest : public BootFixture {
 protected:
  void SetUp() override {
    BootFixture::SetUp();
    ASSERT_OK_AND_ASSIGN(key_, SmallGuestLoginKey());
    ASSERT_OK_AND_ASSIGN(const std::string host_key, SmallGuestHostKey());
    known_hosts_ = dir_ / "known_hosts";
    // The name that the registry has for the source.
    ASSERT_OK(WriteFileAtomically(known_hosts_, absl::StrCat("web1 ", host_key, "\n")));
    ASSERT_OK_AND_ASSIGN(listener_, TcpListener::Open());
    more_flags_ = {absl::StrCat("--ssh-key-file=", key_),
                   absl::StrCat("--ssh-known-hosts=", known_hosts_)};
    process_ = StartJobs();
    Connect(process_);
    disk_ = dir_ / "guest.qcow2";
    ASSERT_OK(MakeSmallGuest(
        {.does = absl::StrCat("network:eth0,reach:", listener_.port(), ",agent,ssh,page")}, disk_));
  }
  CreateJobRequest Launch() {
    CreateJobRequest request = LaunchDisk(NewId("s-"), disk_, 256, absl::Minutes(5));
    SettingsOf(request)->mutable_boot_proof()->add_http_checks()->set_guest_port(kWebPort);
    return request;
  }
  PostLaunchAction* AddAction(LaunchSettings* settings, const std::string& id,
                              const std::string& command, PostLaunchAction::Transport transport) {
    PostLaunchAction* action = settings->add_post_launch_actions();
    action->set_action_id(id);
    action->set_order(settings->post_launch_actions_size());
    action->set_command(command);
    action->set_active(true);
    action->set_transport(transport);
    return action;
  }
  // What the job's log has of an action.
  std::map<std::string, std::string> LoggedOf(const std::string& job, const std::string& action) {
    for (const JobLogItem& item : Log(job)) {
      const bool end =
          item.event() == JobLogItem::ACTION_END || item.event() == JobLogItem::ACTION_FAIL;
      if (end && item.message().rfind(action, 0) == 0)
        return {item.data().begin(), item.data().end()};
    }
    return {};
  }

  std::string key_, known_hosts_, disk_;
  TcpListener listener_;
  Process process_;
};

TEST_F(SmallGuestTest, ProvesByItsAgentActsOverBothTransportsAndReachesNobody) {
  CreateJobRequest request = Launch();
  LaunchSettings* settings = SettingsOf(request);
  settings->mutable_boot_proof()->set_guest_agent(true);
  auto* command = settings->mutable_boot_proof()->add_commands();
  command->set_command("uname -s; exit 3");
  command->set_exit_code(3);
  command->set_output_contains("Linux");
  auto* by_agent = AddAction(settings, "agent", "echo \"$GREETING from $(cat /proc/1/comm)\"",
                             PostLaunchAction::AUTO);
  (*by_agent->mutable_parameters())["GREETING"] = "it's $HOME";
  auto* by_ssh = AddAction(settings, "ssh", "echo \"$GREETING over ${SSH_CONNECTION##* }\"",
                           PostLaunchAction::SSH);
  (*by_ssh->mutable_parameters())["GREETING"] = "it's $HOME";
  AddAction(settings, "fails", "echo no >&2; exit 7", PostLaunchAction::SSH);
  AddAction(settings, "slow", "exec sleep 600", PostLaunchAction::GUEST_AGENT)
      ->mutable_timeout()
      ->set_seconds(2);
  ASSERT_OK_AND_ASSIGN(const Job created, Create(request));
  const Job job = AwaitEnd(created.name(), kBootPatience);
  ASSERT_EQ(job.state(), Job::SUCCEEDED) << job.DebugString() << process_.Log();
  const auto& machine = job.servers(0).machine();
  EXPECT_THAT(machine.proof(),
              UnorderedElementsAre("guest agent: answers", HasSubstr("port 80: HTTP 200"),
                                   HasSubstr("exit code 3")));

  ASSERT_EQ(machine.actions_size(), 4);
  const auto is = [&](int i, ActionResult::State state, const char* transport, int code) {
    EXPECT_EQ(machine.actions(i).state(), state) << machine.actions(i).DebugString();
    EXPECT_EQ(machine.actions(i).transport(), transport);
    EXPECT_EQ(machine.actions(i).exit_code(), code);
  };
  is(0, ActionResult::SUCCEEDED, "guest-agent", 0);
  is(1, ActionResult::SUCCEEDED, "ssh", 0);
  is(2, ActionResult::FAILED, "ssh", 7);
  is(3, ActionResult::FAILED, "guest-agent", -1);
  EXPECT_THAT(machine.actions(3).message(), HasSubstr("longer than 2s"));
  EXPECT_EQ(LoggedOf(job.name(), "agent")["output"], "it's $HOME from init\n");
  EXPECT_EQ(LoggedOf(job.name(), "ssh")["output"], "it's $HOME over 22\n");
  EXPECT_EQ(LoggedOf(job.name(), "fails")["output"], "no\n");

  EXPECT_THAT(machine.network_attempts(),
              ElementsAre("dns mail.example.test",
                          HasSubstr(absl::StrCat("tcp 10.0.2.2:", listener_.port(), " (")),
                          HasSubstr("udp 192.0.2.9:69 (")));
  EXPECT_FALSE(listener_.WasReached()) << "an isolated machine got out";

  // A machine with another key than the source's is not talked to.
  const auto over_ssh = [&](const std::string& host_name) {
    return jobs::RunOverSsh({.key_file = key_, .known_hosts = known_hosts_, .host_name = host_name},
                            machine.endpoints().at(22), {.command = "echo in"}, absl::Seconds(60),
                            [] { return absl::OkStatus(); });
  };
  ASSERT_OK_AND_ASSIGN(const jobs::GuestResult in, over_ssh("web1"));
  EXPECT_EQ(in.output, "in\n");
  ASSERT_OK(WriteFileAtomically(
      known_hosts_,
      "web1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f\n"));
  EXPECT_THAT(over_ssh("web1").status(), StatusIs(absl::StatusCode::kUnavailable, "SSH"));
}

// The same guest where there is a way out: the listener can be reached, so its silence above means
// something.
TEST_F(SmallGuestTest, WithAWayOutItIsReachedAndNotRecorded) {
  CreateJobRequest request = Launch();
  SettingsOf(request)->set_test_network(LaunchSettings::USER);
  ASSERT_OK_AND_ASSIGN(const Job created, Create(request));
  const Job job = AwaitEnd(created.name(), kBootPatience);
  ASSERT_EQ(job.state(), Job::SUCCEEDED) << job.DebugString() << process_.Log();
  EXPECT_TRUE(listener_.WasReached());
  EXPECT_THAT(job.servers(0).machine().network_attempts(), IsEmpty());
}

}  // namespace
}  // namespace godwit::testing
