// A Windows disk goes through the real appliance: NTFS, registry, the operator's drivers and
// scripts. No Windows boots here; that the keys and files are there is what is proven.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "services/common/base/file.h"
#include "services/conversion/appliance/appliance.h"
#include "services/conversion/appliance/supplies.h"
#include "services/conversion/converter/windows/hive.h"
#include "services/conversion/converter/windows/rights.h"
#include "tests/support/phony_windows.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/windows_disk.h"

namespace godwit::conversion {
namespace {

namespace pb = ::godwit::conversion::v1;
using convert::windows::Hive;
using ::godwit::testing::MakeNtfsDisk;
using ::godwit::testing::Process;
using ::godwit::testing::ReadNtfsDisk;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;
using ::testing::HasSubstr;

class WindowsConversion : public ::testing::Test {
 protected:
  // Started by UEFI. `hibernated`: with the file that a sleeping Windows leaves behind.
  void MakeDisk(bool hibernated) {
    const std::string tree = dir_ / "tree";
    ASSERT_OK(testing::MakePhonyWindows(testing::PhonyWindowsGuest("2k19"), tree));
    std::filesystem::remove_all(tree + "/Boot");
    if (hibernated) {
      ASSERT_OK(WriteFileAtomically(tree + "/hiberfil.sys", "hibr" + std::string(8188, '\0')));
    }
    ASSERT_OK(MakeNtfsDisk(tree, dir_.path(), dir_ / "disk.raw"));
    disk_ = dir_ / "disk.qcow2";
    ASSERT_OK_AND_ASSIGN(
        Process create,
        Process::Start({.command = {"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw",
                                    "-b", dir_ / "disk.raw", disk_},
                        .log = dir_ / "create.log"}));
    ASSERT_EQ(*create.Wait(absl::Seconds(30)), 0) << create.Log();
  }
  ApplianceResult Convert(pb::ConversionTask::Mode mode) {
    pb::ConversionTask task;
    task.set_mode(mode);
    auto& disk = *task.add_disks();
    disk.set_device_name("/dev/sda");
    disk.set_path(disk_);
    task.mutable_target()->set_profile("kvm-virtio");
    task.mutable_target()->add_nics()->set_mac_address("52:54:00:aa:00:01");
    const auto appliance =
        Appliance::Open({.folder = GODWIT_APPLIANCE, .supplies_image = supplies_});
    EXPECT_OK(appliance.status());
    const std::atomic<bool> cancel{false};
    return appliance->Run(task, dir_.path(), absl::Minutes(5), cancel, [](const std::string&) {});
  }

  TempDir dir_;
  std::string disk_, supplies_;
};

TEST_F(WindowsConversion, AServerGetsDriversThatTheOperatorGave) {
  MakeDisk(/*hibernated=*/false);
  ASSERT_OK(testing::MakePhonyDrivers(dir_ / "drivers"));
  ASSERT_OK(MakeDirs(dir_ / "scripts"));
  ASSERT_OK(WriteFileAtomically(dir_ / "scripts/10-hello.cmd", "echo hello\r\n"));
  supplies_ = dir_ / "supplies.img";
  ASSERT_OK(MakeSupplies({.drivers = dir_ / "drivers", .scripts = dir_ / "scripts"}, dir_.path(),
                         supplies_));
  const ApplianceResult result = Convert(pb::ConversionTask::APPEND);
  ASSERT_TRUE(result.status.ok()) << result.status << result.task.console_tail();
  const pb::Inspection& inspection = result.task.inspection();
  EXPECT_EQ(inspection.os_family(), "windows");
  EXPECT_EQ(inspection.version(), "10.0.17763");
  EXPECT_EQ(inspection.boot_mode(), "UEFI");
  EXPECT_EQ(result.task.hints().firmware(), "uefi");
  EXPECT_EQ(inspection.windows().product_name(), "Windows Server 2019 Standard");
  EXPECT_EQ(inspection.windows().activation(), "volume");
  bool found = false;
  for (const pb::Change& change : result.task.changes()) {
    if (change.registry().key() != R"(ControlSet001\Services\storahci)") continue;
    found = true;
    EXPECT_EQ(change.path(), "/Windows/System32/config/SYSTEM");
    EXPECT_EQ(change.registry().before().data(), std::string("\3\0\0\0", 4));
    EXPECT_EQ(change.registry().after().data(), std::string("\0\0\0\0", 4));
  }
  EXPECT_TRUE(found) << result.task.changes_size();

  const std::string after = dir_ / "after";
  ASSERT_OK(ReadNtfsDisk(disk_, dir_.path(), after));
  ASSERT_OK_AND_ASSIGN(const std::string bytes,
                       ReadFile(after + "/Windows/System32/config/SYSTEM"));
  ASSERT_OK_AND_ASSIGN(const Hive system, Hive::Open("SYSTEM", bytes));
  EXPECT_EQ(system.GetDword(R"(ControlSet001\Services\viostor)", "Start"), 0u);
  EXPECT_TRUE(system.HasKey(R"(DriverDatabase\DeviceIds\PCI\VEN_1AF4&DEV_1042)"));
  EXPECT_EQ(*ReadFile(after + "/Windows/System32/drivers/viostor.sys"), "viostor for 2k19 amd64");
  EXPECT_EQ(*ReadFile(after + "/Windows/Godwit/steps/5000-10-hello.cmd"), "echo hello\r\n");
  // Nobody may write to what runs as SYSTEM, and a hive keeps its rights.
  EXPECT_EQ(testing::RightsOf(dir_.path(), "Windows/System32/config/SYSTEM").value_or(""),
            testing::SystemOnly());
  for (const char* path : {"Windows/System32/drivers/viostor.sys", "Windows/Drivers",
                           "Windows/Drivers/Godwit/viostor/viostor.inf"}) {
    EXPECT_EQ(testing::RightsOf(dir_.path(), path).value_or(""),
              convert::windows::AdministratorsOnly(/*readable=*/true))
        << path;
  }
  for (const char* path : {"Windows/Godwit", "Windows/Godwit/steps/5000-10-hello.cmd"}) {
    EXPECT_EQ(testing::RightsOf(dir_.path(), path).value_or(""),
              convert::windows::AdministratorsOnly(/*readable=*/false))
        << path;
  }
  EXPECT_EQ(ReadFile(after + "/esp/EFI/Boot/bootx64.efi").value_or("(none)"), "loader");
  EXPECT_THAT(*ReadFile(after + "/Windows/Godwit/steps/3000-network.ps1"),
              HasSubstr("'192.0.2.10'"));
}

TEST_F(WindowsConversion, AHibernatedSystemIsRefusedWithTheRemedy) {
  MakeDisk(/*hibernated=*/true);
  const ApplianceResult result = Convert(pb::ConversionTask::APPEND);
  EXPECT_THAT(result.status, StatusIs(absl::StatusCode::kFailedPrecondition, "powercfg /h off"));
  EXPECT_THAT(result.task.findings(),
              ::testing::Contains(::testing::AllOf(
                  ::testing::Property(&pb::Finding::reason, "HIBERNATED"),
                  ::testing::Property(&pb::Finding::severity, pb::Finding::BLOCKER))));
  const ApplianceResult plan = Convert(pb::ConversionTask::PREFLIGHT);
  ASSERT_TRUE(plan.status.ok()) << plan.status << plan.task.console_tail();
  std::vector<std::string> reasons;
  for (const pb::Finding& finding : plan.task.findings()) reasons.push_back(finding.reason());
  EXPECT_THAT(reasons, ::testing::IsSupersetOf({"HIBERNATED", "NO_DISK_DRIVER", "ACTIVATION"}));
}

}  // namespace
}  // namespace godwit::conversion
