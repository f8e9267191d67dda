// Boot modes: one disk goes from BIOS to UEFI and back, and boots each time.
#include <gmock/gmock.h>

#include "tests/e2e/services/conversion/appliance_fixture.h"

namespace godwit::conversion {
namespace {

using ::godwit::jobs::v1::LaunchSettings;
using ::godwit::testing::SourceMachine;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Property;

class FirmwareTest : public ApplianceFixture {
 protected:
  // Boots `disk` (which is moved away); what the machine says of itself.
  void Boot(SourceMachine::Options options, const std::string& command, std::string* said) {
    options.booted = false;
    ASSERT_OK_AND_ASSIGN(auto machine, SourceMachine::Start(options));
    ASSERT_OK(machine->WaitForPage(kPatience));
    ASSERT_OK_AND_ASSIGN(*said, machine->Ssh(command));
  }
};

TEST_F(FirmwareTest, BiosToUefiAndBack) {
  ASSERT_OK_AND_ASSIGN(const std::string image, SourceMachine::Image("ext4"));
  const std::string disk = dir_ / "disk.qcow2", upper = dir_ / "upper.qcow2";
  Overlay(image, disk);
  v1::ConversionTask task = TaskFor(disk);
  task.mutable_target()->set_boot_mode(LaunchSettings::UEFI);
  task.mutable_target()->set_disk_bus("nvme");
  task.mutable_target()->set_nic_model("ena");
  const ApplianceResult uefi = Run(task);
  ASSERT_OK(uefi.status);
  EXPECT_EQ(uefi.task.inspection().boot_mode(), "BIOS");
  EXPECT_EQ(uefi.task.hints().firmware(), "uefi");
  EXPECT_EQ(uefi.task.hints().disk_bus(), "nvme");
  EXPECT_THAT(uefi.task.appliance_packages(), Contains(HasSubstr("linux-image-")));
  EXPECT_THAT(uefi.task.changes(),
              Contains(Property(&v1::Change::path, "esp:/EFI/BOOT/BOOTX64.EFI")));
  EXPECT_THAT(uefi.task.findings(), Contains(Property(&v1::Finding::reason, "SECURE_BOOT")));
  Do({"qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", disk, upper});
  std::string said;
  Boot({.hardware = "ec2", .firmware = "uefi", .disk = upper},
       "ls -d /sys/firmware/efi; lsmod; findmnt -no SOURCE /", &said);
  EXPECT_THAT(said, HasSubstr("/sys/firmware/efi"));
  EXPECT_THAT(said, HasSubstr("/dev/nvme0n1p1"));

  // The boot code of the BIOS is lost: the disk of a machine that was installed by UEFI.
  Do({"qemu-io", "-f", "qcow2", "-c", "write -z 0 440", "-c", "write -z 512 1047552", disk});
  task.mutable_target()->set_boot_mode(LaunchSettings::LEGACY_BIOS);
  task.mutable_target()->set_disk_bus("pvscsi");
  const ApplianceResult bios = Run(task);
  ASSERT_OK(bios.status);
  EXPECT_EQ(bios.task.inspection().boot_mode(), "UEFI");
  EXPECT_EQ(bios.task.hints().firmware(), "bios");
  Boot({.hardware = "pvscsi", .firmware = "bios", .disk = disk},
       "ls -d /sys/firmware/efi || echo no-efi; lsmod; findmnt -no SOURCE /", &said);
  EXPECT_THAT(said, HasSubstr("no-efi"));
  EXPECT_THAT(said, HasSubstr("vmw_pvscsi"));
  EXPECT_THAT(said, HasSubstr("vmxnet3"));
}

}  // namespace
}  // namespace godwit::conversion
