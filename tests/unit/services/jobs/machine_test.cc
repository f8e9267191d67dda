// What the qemu target remembers, and processes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "services/jobs/targets/qemu/accelerator.h"
#include "services/jobs/targets/qemu/machine_state.h"
#include "services/jobs/targets/qemu/process.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::HasSubstr;

TEST(MachineState, ComesBackAsItWas) {
  MachineState state{.started = true,
                     .pid = 4711,
                     .start_time = 123456789012,
                     .accelerator = "kvm",
                     .endpoints = {{22, "127.0.0.1:4022"}}};
  state.spec = {.machine_id = "i-0123456789abcdef0",
                .epoch = 7,
                .name = "wéb \"1\"",
                .cpu_count = 3,
                .memory_bytes = 1ll << 40,
                .firmware = "uefi",
                .disk_bus = "nvme",
                .disks = {{.path = "/a"}},
                .nics = {{.mac_address = "52:54:00:00:00:01", .model = "e1000"}},
                .network = Network::kUser,
                .port_forwards = {{.guest_port = 22, .host_port = 1, .host_address = "0.0.0.0"}},
                .throw_away = true};
  ASSERT_OK_AND_ASSIGN(const MachineState read, MachineStateFromJson(ToJson(state)));
  EXPECT_EQ(ToJson(read), ToJson(state));
  EXPECT_EQ(read.pid, 4711);
  EXPECT_EQ(read.spec.nics[0].model, "e1000");
  EXPECT_EQ(read.endpoints.at(22), "127.0.0.1:4022");
}

TEST(MachineState, ARottenFileIsRefusedByField) {
  EXPECT_THAT(MachineStateFromJson(""), StatusIs(absl::StatusCode::kInternal, "object"));
  EXPECT_THAT(MachineStateFromJson("{}"), StatusIs(absl::StatusCode::kInternal, "machine_id"));
  std::string text = ToJson({});
  text.replace(text.find("\"pid\": 0"), 8, "\"pid\": []");
  EXPECT_THAT(MachineStateFromJson(text), StatusIs(absl::StatusCode::kInternal, "pid"));
}

TEST(RunCommand, GivesOutputAndExitCode) {
  ASSERT_OK_AND_ASSIGN(
      const CommandResult result,
      RunCommand({"sh", "-c", "echo out; echo err >&2; exit 3"}, absl::Seconds(10)));
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.output, "out\nerr\n");
  EXPECT_THAT(RunCommand({"no-such-program-here"}, absl::Seconds(10)),
              StatusIs(absl::StatusCode::kNotFound, "no-such-program-here"));
}

TEST(RunCommand, IsKilledWhenItTakesTooLongAndKeepsLittle) {
  EXPECT_THAT(RunCommand({"sleep", "60"}, absl::Milliseconds(200)),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "sleep"));
  ASSERT_OK_AND_ASSIGN(const CommandResult result,
                       RunCommand({"sh", "-c", "head -c 1000000 /dev/zero"}, absl::Seconds(10)));
  EXPECT_LT(result.output.size(), 100000u);
}

TEST(RunCommand, EndsWithItsError) {
  int asked = 0;
  EXPECT_THAT(
      RunCommand({"sleep", "60"}, absl::Minutes(1),
                 [&] { return ++asked < 3 ? absl::OkStatus() : absl::CancelledError("enough"); }),
      StatusIs(absl::StatusCode::kCancelled, "enough"));
}

TEST(RunCommand, DoesNotOutliveItsCaller) {
  const ::godwit::testing::TempDir dir;
  const std::string file = dir / "pid";
  const pid_t caller = fork();
  if (caller == 0) {
    RunCommand({"sh", "-c", "echo $$ >\"$0\"; exec sleep 60", file}, absl::Minutes(1))
        .status()
        .IgnoreError();
    _exit(0);
  }
  int pid = 0;
  for (int i = 0; i < 200 && pid == 0; ++i) {
    absl::SleepFor(absl::Milliseconds(20));
    const auto text = ReadFile(file);
    if (!text.ok() || !absl::SimpleAtoi(*text, &pid)) pid = 0;
  }
  ASSERT_GT(pid, 0);
  kill(caller, SIGKILL);
  waitpid(caller, nullptr, 0);
  for (int i = 0; i < 200 && ProcessStartTime(pid).ok(); ++i) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_FALSE(ProcessStartTime(pid).ok());
}

TEST(SpawnDetached, StartsInASessionOfItsOwnAndIsKilledByName) {
  const ::godwit::testing::TempDir dir;
  ASSERT_OK_AND_ASSIGN(const Spawned spawned, SpawnDetached({.argv = {"sleep", "60"},
                                                             .work_dir = dir.path(),
                                                             .log_path = dir / "log",
                                                             .pid_path = dir / "pid"}));
  const int pid = spawned.pid;
  absl::StatusOr<std::string> written = absl::NotFoundError("");
  for (int i = 0; i < 100 && !(ProcessHasArgument(pid, "60") && written.ok()); ++i) {
    absl::SleepFor(absl::Milliseconds(20));
    written = ReadFile(dir / "pid");
  }
  EXPECT_EQ(*written, std::to_string(pid));
  EXPECT_EQ(getsid(pid), pid);
  ASSERT_OK_AND_ASSIGN(const std::uint64_t started, ProcessStartTime(pid));
  EXPECT_EQ(spawned.start_time, started);
  EXPECT_TRUE(ProcessAlive(pid, started));
  EXPECT_FALSE(ProcessAlive(pid, started + 1)) << "another process that got the same id";
  EXPECT_OK(KillProcess(pid, started + 1, absl::Seconds(5)));
  EXPECT_TRUE(ProcessAlive(pid, started)) << "only the named process is killed";
  EXPECT_OK(KillProcess(pid, started, absl::Seconds(5)));
  EXPECT_FALSE(ProcessAlive(pid, started));
}

// The state letter of a process; '-' when there is none.
char StateOf(int pid) {
  const auto text = ReadFile(absl::StrCat("/proc/", pid, "/stat"), 4096);
  const std::size_t at = text.ok() ? text->rfind(") ") : std::string::npos;
  return at == std::string::npos ? '-' : (*text)[at + 2];
}

TEST(SpawnDetached, OneThatEndedAtOnceIsReapedByWhoAsksForItAndByNobodyElse) {
  const ::godwit::testing::TempDir dir;
  ASSERT_OK_AND_ASSIGN(const Spawned spawned, SpawnDetached({.argv = {"true"},
                                                             .work_dir = dir.path(),
                                                             .log_path = dir / "log",
                                                             .pid_path = dir / "pid"}));
  for (int i = 0; i < 500 && StateOf(spawned.pid) != 'Z'; ++i)
    absl::SleepFor(absl::Milliseconds(10));
  ASSERT_EQ(StateOf(spawned.pid), 'Z');
  EXPECT_FALSE(ProcessAlive(spawned.pid, spawned.start_time + 1));
  EXPECT_EQ(StateOf(spawned.pid), 'Z') << "asked for an older process of this id";
  EXPECT_FALSE(ProcessAlive(spawned.pid, spawned.start_time));
  EXPECT_EQ(StateOf(spawned.pid), '-');
}

TEST(Accelerator, TheChoiceWinsAndWithoutAProbeItIsEmulated) {
  const ::godwit::testing::TempDir dir;
  EXPECT_EQ(ProbeAccelerator({.choice = AcceleratorChoice::kTcg}), "tcg");
  EXPECT_EQ(ProbeAccelerator({.choice = AcceleratorChoice::kKvm}), "kvm");
  EXPECT_EQ(ProbeAccelerator({.probe_kernel = "/no/such/kernel", .cache_dir = dir.path()}), "tcg");
}

}  // namespace
}  // namespace godwit::jobs
