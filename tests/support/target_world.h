// Launch targets in tests: where their machines are, and a machine of one sector.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/jobs/targets/qemu/command.h"
#include "services/jobs/targets/qemu/process.h"
#include "services/jobs/targets/target.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tiny_os.h"

namespace godwit::testing {

// Where machines run in a test.
class TargetWorld {
 public:
  virtual ~TargetWorld() = default;
  // A target as a started service has it; several may be open.
  virtual std::unique_ptr<jobs::Target> Open() = 0;
  // Folder with a machine's state.
  virtual std::string MachineDir(const std::string& machine_id) const = 0;
  // Whether disks are overlays on the clone until they are detached.
  virtual bool NeedsClone() const { return true; }
};

inline constexpr char kTargetHello[] = "tiny os is up";

// Processes that run this machine, whoever's children they are.
inline std::vector<int> ProcessesOf(const std::string& machine) {
  std::vector<int> out;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    int pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid)) continue;
    if (jobs::ProcessHasArgument(pid, jobs::GuestArgument(machine)) &&
        jobs::ProcessStartTime(pid).ok()) {
      out.push_back(pid);
    }
  }
  return out;
}

class TargetFixture
    : public ::testing::TestWithParam<std::unique_ptr<TargetWorld> (*)(const std::string& dir)> {
 protected:
  void SetUp() override {
    disk_ = dir_ / "clone.qcow2";
    ASSERT_OK(MakeTinyOsDisk(disk_, kTargetHello));
    world_ = GetParam()(dir_ / "machines");
    target_ = world_->Open();
    ASSERT_NE(target_, nullptr);
  }
  void TearDown() override {
    if (target_ != nullptr) EXPECT_OK(target_->Destroy(spec_.machine_id));
    EXPECT_THAT(ProcessesOf(spec_.machine_id), ::testing::IsEmpty());
  }
  jobs::MachineSpec Spec() {
    spec_.epoch = 1;
    spec_.name = "tiny <&> \"machine\"";
    spec_.description = "of a test; ]]> is no end";
    spec_.tags = {{"owner", "a & b"}, {"<k>", "\"v\""}};
    spec_.memory_bytes = 128ll << 20;
    spec_.disks = {{.path = disk_}};
    spec_.nics = {{.mac_address = "52:54:00:12:34:56"}};
    spec_.port_forwards = {{.guest_port = 22}};
    spec_.throw_away = true;
    return spec_;
  }
  jobs::Power PowerOf() const {
    const auto status = target_->Describe(spec_.machine_id);
    EXPECT_OK(status.status());
    return status.ok() ? status->power : jobs::Power::kAbsent;
  }

  TempDir dir_;
  std::string disk_;
  jobs::MachineSpec spec_{.machine_id = NewId("i-")};
  std::unique_ptr<TargetWorld> world_;
  std::unique_ptr<jobs::Target> target_;
};

}  // namespace godwit::testing
