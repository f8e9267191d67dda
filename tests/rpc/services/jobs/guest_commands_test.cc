// Commands through the guest agent's protocol, spoken by the real agent of QEMU. It listens where
// QEMU would offer its channel: what it runs, it runs here.
#include "services/jobs/steps/guest_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/ids.h"
#include "services/jobs/steps/ssh_command.h"
#include "services/jobs/targets/qemu/command.h"
#include "services/jobs/targets/qemu/qemu_target.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tiny_os.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::MakeTinyOsDisk;
using ::godwit::testing::Process;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;
using ::testing::HasSubstr;

class GuestCommandsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(MakeTinyOsDisk(dir_ / "clone.qcow2", "x"));
    ASSERT_OK_AND_ASSIGN(target_,
                         QemuTarget::Open({.machines_dir = dir_ / "m",
                                           .accelerator = {.choice = AcceleratorChoice::kTcg}}));
    ASSERT_OK(target_->Create({.machine_id = machine_,
                               .epoch = 1,
                               .memory_bytes = 128ll << 20,
                               .disks = {{.path = dir_ / "clone.qcow2"}}}));
  }
  void StartAgent() {
    const std::string socket = absl::StrCat(dir_ / "m", "/", machine_, "/", kAgentSocket);
    ASSERT_OK_AND_ASSIGN(
        agent_, Process::Start({.command = {"/usr/sbin/qemu-ga", "-m", "unix-listen", "-p", socket,
                                            "-t", dir_.path(), "-f", dir_ / "agent.pid"},
                                .log = dir_ / "agent.log"}));
    for (int i = 0; i < 300 && access(socket.c_str(), F_OK) != 0; ++i)
      absl::SleepFor(absl::Milliseconds(50));
  }
  absl::StatusOr<GuestResult> Run(const GuestCommand& command,
                                  absl::Duration timeout = absl::Seconds(30)) {
    return RunInGuest(*target_, machine_, command, timeout, [] { return absl::OkStatus(); });
  }

  TempDir dir_;
  const std::string machine_ = NewId("i-");
  std::unique_ptr<QemuTarget> target_;
  Process agent_;
};

TEST_F(GuestCommandsTest, NobodyAnswersWithoutAnAgent) {
  EXPECT_THAT(PingAgent(*target_, machine_), StatusIs(absl::StatusCode::kUnavailable, "agent"));
  EXPECT_EQ(GuestHasAddress(*target_, machine_), std::nullopt);
}

TEST_F(GuestCommandsTest, RunsCommandsToTheirEnd) {
  StartAgent();
  ASSERT_OK(PingAgent(*target_, machine_));
  ASSERT_OK_AND_ASSIGN(GuestResult result,
                       Run({.command = "echo \"$GREETING\"; echo wrong >&2; exit 3",
                            .environment = {{"GREETING", "it's $HOME; \"x\""}}}));
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.output, "it's $HOME; \"x\"\nwrong\n");
  // Many bytes come back bounded.
  ASSERT_OK_AND_ASSIGN(result, Run({.command = "head -c 200000 /dev/zero | tr '\\0' x"}));
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output.size(), 64u << 10);
  EXPECT_TRUE(GuestHasAddress(*target_, machine_).has_value());
}

TEST_F(GuestCommandsTest, ACommandThatTakesTooLongIsKilled) {
  StartAgent();
  const std::string mark = dir_ / "mark";
  const absl::Time begun = absl::Now();
  EXPECT_THAT(
      Run({.command = absl::StrCat("echo $$ > ", mark, "; exec sleep 300")}, absl::Seconds(1)),
      StatusIs(absl::StatusCode::kDeadlineExceeded, "longer than 1s"));
  EXPECT_LT(absl::Now() - begun, absl::Seconds(60));
  ASSERT_OK_AND_ASSIGN(const std::string pid, ReadFile(mark));
  const int number = std::stoi(pid);
  // Until the agent reaps it there is its zombie.
  bool gone = false;
  for (int i = 0; i < 200 && !gone; ++i) {
    const auto status = ReadFile(absl::StrCat("/proc/", number, "/stat"));
    gone = !status.ok() || status->find(") Z ") != std::string::npos;
    if (!gone) absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_TRUE(gone);
}

TEST_F(GuestCommandsTest, ACallerThatStopsIsObeyed) {
  StartAgent();
  EXPECT_THAT(RunInGuest(*target_, machine_, {.command = "exec sleep 300"}, absl::Minutes(5),
                         [] { return absl::CancelledError("stop"); }),
              StatusIs(absl::StatusCode::kCancelled, "stop"));
}

TEST(Ssh, QuotesWords) {
  EXPECT_EQ(ShellQuoted("it's"), "'it'\\''s'");
  EXPECT_THAT(RunOverSsh({}, "127.0.0.1:22", {.command = "true"}, absl::Seconds(1),
                         [] { return absl::OkStatus(); }),
              StatusIs(absl::StatusCode::kUnavailable, "no key"));
}

}  // namespace
}  // namespace godwit::jobs
