// The qemu target with real QEMU processes and a guest of one sector: what all targets promise, and
// what becomes of its processes.
#include "services/jobs/targets/qemu/qemu_target.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "services/jobs/targets/qemu/machine_state.h"
#include "tests/support/creation_contract.h"
#include "tests/support/target_contract.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::ProcessesOf;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TargetWorld;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class QemuWorld final : public TargetWorld {
 public:
  explicit QemuWorld(std::string dir) : dir_(std::move(dir)) {}
  std::unique_ptr<Target> Open() override {
    auto target = QemuTarget::Open(
        {.machines_dir = dir_, .accelerator = {.choice = AcceleratorChoice::kTcg}});
    EXPECT_OK(target);
    return target.ok() ? *std::move(target) : nullptr;
  }
  std::string MachineDir(const std::string& machine_id) const override {
    return absl::StrCat(dir_, "/", machine_id);
  }

 private:
  const std::string dir_;
};

std::unique_ptr<TargetWorld> MakeQemuWorld(const std::string& dir) {
  return std::make_unique<QemuWorld>(dir);
}

}  // namespace
}  // namespace godwit::jobs

namespace godwit::testing {
INSTANTIATE_TEST_SUITE_P(Qemu, TargetContract, ::testing::Values(&jobs::MakeQemuWorld));
INSTANTIATE_TEST_SUITE_P(Qemu, CreationContract, ::testing::Values(&jobs::MakeQemuWorld));
}  // namespace godwit::testing

namespace godwit::jobs {
namespace {

class QemuTargetTest : public ::godwit::testing::TargetContract {
 protected:
  std::string MachineDir() const { return world_->MachineDir(spec_.machine_id); }
};
INSTANTIATE_TEST_SUITE_P(Qemu, QemuTargetTest, ::testing::Values(&MakeQemuWorld));

TEST_P(QemuTargetTest, AKilledSupervisorLeavesTheMachineAndTheNextOneFindsIt) {
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

TEST_P(QemuTargetTest, AMachineThatEndedUnaskedLeavesNoZombie) {
  QemuTarget& qemu = static_cast<QemuTarget&>(*target_);
  ASSERT_OK(target_->Create(Spec()));
  ASSERT_OK_AND_ASSIGN(const MachineStatus status, target_->Start(spec_.machine_id, 1));
  kill(status.pid, SIGKILL);
  const std::string entry = absl::StrCat("/proc/", status.pid);
  const auto ended = [&] { return !ProcessStartTime(status.pid).ok(); };
  for (int i = 0; i < 500 && !ended(); ++i) absl::SleepFor(absl::Milliseconds(10));
  ASSERT_TRUE(ended());
  EXPECT_TRUE(std::filesystem::exists(entry)) << "nobody asked for it yet";
  // Threads of it may still be ending.
  for (int i = 0; i < 500 && std::filesystem::exists(entry); ++i) {
    absl::SleepFor(absl::Milliseconds(10));
    qemu.LookAfter();
  }
  EXPECT_FALSE(std::filesystem::exists(entry));
}

TEST_P(QemuTargetTest, SaysWhyQemuDoesNotStart) {
  MachineSpec spec = Spec();
  spec.port_forwards = {{.guest_port = 22, .host_address = "203.0.113.7"}};  // not ours
  ASSERT_OK(target_->Create(spec));
  EXPECT_THAT(target_->Start(spec.machine_id, 1),
              StatusIs(absl::StatusCode::kInternal, "203.0.113.7"));
  EXPECT_THAT(ProcessesOf(spec.machine_id), IsEmpty());
}

}  // namespace
}  // namespace godwit::jobs
