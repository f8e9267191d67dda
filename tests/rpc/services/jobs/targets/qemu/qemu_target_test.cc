// The qemu target with real QEMU processes and a guest of one sector.
#include "services/jobs/targets/qemu/qemu_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/ids.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/targets/qemu/command.h"
#include "services/jobs/targets/qemu/machine_state.h"
#include "services/jobs/targets/qemu/process.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tiny_os.h"

namespace godwit::jobs {
namespace {

namespace fs = std::filesystem;
using ::godwit::testing::MakeTinyOsDisk;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TinyOsEnd;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kHello[] = "tiny os is up";
const auto kGoOn = [] { return absl::OkStatus(); };
const auto kStop = [] { return absl::CancelledError("stop"); };

// Processes that run this machine, whoever's children they are.
std::vector<int> ProcessesOf(const std::string& machine) {
  std::vector<int> out;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    int pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    if (ProcessHasArgument(pid, GuestArgument(machine)) && ProcessStartTime(pid).ok()) {
      out.push_back(pid);
    }
  }
  return out;
}

class QemuTargetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    disk_ = dir_ / "clone.qcow2";
    ASSERT_OK(MakeTinyOsDisk(disk_, kHello));
    target_ = OpenTarget();
  }
  void TearDown() override {
    EXPECT_OK(target_->Destroy(spec_.machine_id));
    EXPECT_THAT(ProcessesOf(spec_.machine_id), IsEmpty());
  }
  std::unique_ptr<QemuTarget> OpenTarget() const {
    auto target = QemuTarget::Open(
        {.machines_dir = dir_ / "machines", .accelerator = {.choice = AcceleratorChoice::kTcg}});
    EXPECT_OK(target);
    return target.ok() ? *std::move(target) : nullptr;
  }
  MachineSpec Spec() {
    spec_.epoch = 1;
    spec_.name = "tiny";
    spec_.memory_bytes = 128ll << 20;
    spec_.disks = {{.path = disk_}};
    spec_.nics = {{.mac_address = "52:54:00:12:34:56"}};
    spec_.port_forwards = {{.guest_port = 22}};
    spec_.throw_away = true;
    return spec_;
  }
  // The console once it has `count` greetings, or what it has after a minute.
  std::string AwaitHello(int count = 1) {
    std::string content;
    for (int i = 0; i < 300; ++i) {
      const auto chunk = target_->ReadConsole(spec_.machine_id, 0);
      EXPECT_OK(chunk);
      if (!chunk.ok()) return "";
      content = chunk->content;
      int seen = 0;
      for (std::size_t at = 0; (at = content.find(kHello, at)) != std::string::npos; ++at) ++seen;
      if (seen >= count) return content;
      absl::SleepFor(absl::Milliseconds(200));
    }
    ADD_FAILURE() << "the guest did not greet " << count << " time(s): " << content;
    return content;
  }
  std::string MachineDir() const { return absl::StrCat(dir_ / "machines", "/", spec_.machine_id); }

  ::godwit::testing::TempDir dir_;
  std::string disk_;
  MachineSpec spec_{.machine_id = NewId("i-")};
  std::unique_ptr<QemuTarget> target_;
};

TEST_F(QemuTargetTest, BootsStopsStartsAgainAndLeavesNothing) {
  ASSERT_OK(target_->Create(Spec()));
  EXPECT_EQ(target_->Describe(spec_.machine_id)->power, Power::kStopped);
  ASSERT_OK_AND_ASSIGN(const MachineStatus status, target_->Start(spec_.machine_id, 1));
  EXPECT_EQ(status.power, Power::kRunning);
  EXPECT_EQ(status.accelerator, "tcg");
  EXPECT_THAT(ProcessesOf(spec_.machine_id), ElementsAre(status.pid));
  ASSERT_TRUE(status.endpoints.contains(22));
  EXPECT_THAT(status.endpoints.at(22), ::testing::StartsWith("127.0.0.1:"));
  AwaitHello();
  EXPECT_THAT(target_->ReadConsole(spec_.machine_id, -4)->content.size(), 4u);

  ASSERT_OK(target_->Stop(spec_.machine_id, absl::ZeroDuration()));
  EXPECT_EQ(target_->Describe(spec_.machine_id)->power, Power::kStopped);
  EXPECT_THAT(ProcessesOf(spec_.machine_id), IsEmpty());
  ASSERT_OK_AND_ASSIGN(const MachineStatus again, target_->Start(spec_.machine_id, 1));
  EXPECT_EQ(again.endpoints, status.endpoints) << "an endpoint stays what it was";
  AwaitHello(2);

  ASSERT_OK(target_->Destroy(spec_.machine_id));
  EXPECT_THAT(ProcessesOf(spec_.machine_id), IsEmpty());
  EXPECT_FALSE(fs::exists(MachineDir()));
  EXPECT_TRUE(fs::exists(disk_)) << "the clone is not the target's";
  EXPECT_OK(target_->Destroy(spec_.machine_id));
  EXPECT_EQ(target_->Describe(spec_.machine_id)->power, Power::kAbsent);
  EXPECT_THAT(*target_->List(), IsEmpty());
}

TEST_F(QemuTargetTest, AKilledSupervisorLeavesTheMachineAndTheNextOneFindsIt) {
  const MachineSpec spec = Spec();
  const pid_t supervisor = fork();
  if (supervisor == 0) {
    const bool started = target_->Create(spec).ok() && target_->Start(spec.machine_id, 1).ok();
    kill(getpid(), started ? SIGKILL : SIGTERM);
  }
  int status = 0;
  ASSERT_EQ(waitpid(supervisor, &status, 0), supervisor);
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  const std::vector<int> running = ProcessesOf(spec.machine_id);
  ASSERT_EQ(running.size(), 1u) << "the machine outlives its supervisor";

  ASSERT_OK_AND_ASSIGN(const MachineStatus found, target_->Start(spec.machine_id, 2));
  EXPECT_THAT(running, ElementsAre(found.pid));
  EXPECT_TRUE(found.endpoints.contains(22));
  AwaitHello();

  // As after a crash between the start of QEMU and its record.
  const std::string state_path = absl::StrCat(MachineDir(), "/", kStateFile);
  ASSERT_OK_AND_ASSIGN(MachineState state, MachineStateFromJson(*ReadFile(state_path)));
  state.pid = 0;
  state.start_time = 0;
  state.endpoints.clear();
  ASSERT_OK(WriteFileAtomically(state_path, ToJson(state)));
  ASSERT_OK_AND_ASSIGN(const MachineStatus adopted, target_->Start(spec.machine_id, 2));
  EXPECT_EQ(adopted.pid, found.pid);
  EXPECT_EQ(adopted.endpoints, found.endpoints);
  EXPECT_THAT(ProcessesOf(spec.machine_id), ElementsAre(found.pid));
}

TEST_F(QemuTargetTest, StartsAtOnceFromManySidesMakeOneProcess) {
  ASSERT_OK(target_->Create(Spec()));
  std::vector<std::thread> threads;
  std::vector<int> pids(4, -1);
  for (int& pid : pids) {
    threads.emplace_back([&] {
      const auto target = OpenTarget();
      if (const auto status = target->Start(spec_.machine_id, 1); status.ok()) pid = status->pid;
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<int> running = ProcessesOf(spec_.machine_id);
  ASSERT_EQ(running.size(), 1u);
  EXPECT_THAT(pids, ::testing::Each(running[0]));
}

TEST_F(QemuTargetTest, AnOlderEpochIsRefused) {
  MachineSpec spec = Spec();
  spec.epoch = 5;
  ASSERT_OK(target_->Create(spec));
  const auto started = target_->Start(spec.machine_id, 4);
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(Classify(started.status()), ErrorClass::kLostLease);
  spec.epoch = 4;
  EXPECT_EQ(Classify(target_->Create(spec)), ErrorClass::kLostLease);
  EXPECT_THAT(ProcessesOf(spec.machine_id), IsEmpty());
}

TEST_F(QemuTargetTest, AMachineThatPowersOffIsSeenAsStopped) {
  ASSERT_OK(MakeTinyOsDisk(disk_, kHello, TinyOsEnd::kPowerOff));
  ASSERT_OK(target_->Create(Spec()));
  ASSERT_OK(target_->Start(spec_.machine_id, 1));
  AwaitHello();
  Power power = Power::kRunning;
  for (int i = 0; i < 100 && power == Power::kRunning; ++i) {
    absl::SleepFor(absl::Milliseconds(100));
    power = target_->Describe(spec_.machine_id)->power;
  }
  EXPECT_EQ(power, Power::kStopped);
}

TEST_F(QemuTargetTest, DetachedWhileItRunsItNeedsNoClone) {
  ASSERT_OK(target_->Create(Spec()));
  ASSERT_OK(target_->Start(spec_.machine_id, 1));
  AwaitHello();
  EXPECT_THAT(target_->Detach(spec_.machine_id, absl::Minutes(1), kStop),
              StatusIs(absl::StatusCode::kCancelled, "stop"));
  ASSERT_OK(target_->Detach(spec_.machine_id, absl::Minutes(1), kGoOn));
  ASSERT_OK(target_->Detach(spec_.machine_id, absl::Minutes(1), kGoOn));
  fs::remove(disk_);
  ASSERT_OK(target_->Stop(spec_.machine_id, absl::ZeroDuration()));
  ASSERT_OK(target_->Start(spec_.machine_id, 1));
  AwaitHello(2);
}

TEST_F(QemuTargetTest, DetachedAtRestItNeedsNoClone) {
  ASSERT_OK(target_->Create(Spec()));
  EXPECT_THAT(target_->Detach(spec_.machine_id, absl::Minutes(1), kStop),
              StatusIs(absl::StatusCode::kCancelled, "stop"));
  ASSERT_OK(target_->Detach(spec_.machine_id, absl::Minutes(1), kGoOn));
  fs::remove(disk_);
  ASSERT_OK(target_->Start(spec_.machine_id, 1));
  AwaitHello();
}

TEST_F(QemuTargetTest, ACreationThatWasCutOffIsRepeated) {
  ASSERT_OK(MakeDirs(MachineDir()));
  ASSERT_OK(WriteFileAtomically(MachineDir() + "/disk0.qcow2", "half of it"));
  EXPECT_THAT(target_->Start(spec_.machine_id, 1), StatusIs(absl::StatusCode::kNotFound, "i-"));
  ASSERT_OK(target_->Create(Spec()));
  ASSERT_OK(target_->Start(spec_.machine_id, 1));
  AwaitHello();
}

TEST_F(QemuTargetTest, SaysWhyQemuDoesNotStart) {
  MachineSpec spec = Spec();
  spec.port_forwards = {{.guest_port = 22, .host_address = "203.0.113.7"}};  // not ours
  ASSERT_OK(target_->Create(spec));
  EXPECT_THAT(target_->Start(spec.machine_id, 1),
              StatusIs(absl::StatusCode::kInternal, "203.0.113.7"));
  EXPECT_THAT(ProcessesOf(spec.machine_id), IsEmpty());
}

}  // namespace
}  // namespace godwit::jobs
