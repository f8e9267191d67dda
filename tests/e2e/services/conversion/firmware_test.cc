// Boot modes: one disk goes from BIOS to UEFI and back, and boots each time. Disks with a GPT:
// their tables and files here; matrix_test.cc boots them.
#include <gmock/gmock.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/e2e/services/conversion/appliance_fixture.h"

namespace godwit::conversion {
namespace {

using ::godwit::jobs::v1::LaunchSettings;
using ::godwit::testing::SourceMachine;
using ::godwit::testing::StatusIs;
using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Property;

class FirmwareTest : public ApplianceFixture {
 protected:
  // The partitions of a qcow2 file as sfdisk prints them, without their device names.
  std::vector<std::string> Table(const std::string& disk, bool whole = true) {
    const std::string raw = dir_ / "table.raw", log = dir_ / "table.log";
    Do({"qemu-img", "convert", "-O", "raw", disk, raw});
    if (whole) Do({"sh", "-c", "sfdisk --verify $0 2>&1 | grep 'No errors detected'", raw});
    Do({"sh", "-c", "sfdisk --dump $0 | sed -n 's/.* : *start=/start=/p' >$1", raw, log});
    const std::string lines = ReadFile(log).value_or("");
    Do({"rm", raw, log});
    return absl::StrSplit(lines, '\n', absl::SkipEmpty());
  }
  // An overlay on the disk of a layout; `edit`: a sed command for its partition table.
  std::string GptDisk(const std::string& layout, const std::string& edit = "") {
    const auto image = SourceMachine::Image(layout);
    EXPECT_OK(image.status());
    if (!image.ok()) return "";
    const std::string raw = dir_ / (layout + ".raw"), disk = dir_ / (layout + ".qcow2");
    if (!edit.empty()) {
      Do({"cp", "--sparse=always", *image, raw});
      Do({"sh", "-c", "sfdisk --dump $0 | sed \"$1\" >$0.table && sfdisk -q $0 <$0.table", raw,
          edit});
    }
    Overlay(edit.empty() ? *image : raw, disk);
    return disk;
  }
  ApplianceResult RunFor(LaunchSettings::BootMode mode, const std::string& disk) {
    v1::ConversionTask task = TaskFor(disk);
    task.mutable_target()->set_boot_mode(mode);
    return Run(task);
  }
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

// What was in the table is in the new one, and one partition of this type.
void ExpectOneMore(std::vector<std::string> before, std::vector<std::string> after,
                   const std::string& type) {
  ASSERT_EQ(after.size(), before.size() + 1) << ::testing::PrintToString(after);
  EXPECT_THAT(after, IsSupersetOf(before));
  EXPECT_THAT(after, Contains(HasSubstr(type)));
}
constexpr char kBiosBoot[] = "type=21686148-6449-6E6F-744E-656564454649";
constexpr char kEsp[] = "type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B";

TEST_F(FirmwareTest, GptFromUefiToBiosAndBack) {
  const std::string disk = GptDisk("gpt-uefi");
  const std::vector<std::string> before = Table(disk);
  const ApplianceResult bios = RunFor(LaunchSettings::LEGACY_BIOS, disk);
  ASSERT_OK(bios.status);
  EXPECT_EQ(bios.task.inspection().boot_mode(), "UEFI");
  EXPECT_EQ(bios.task.hints().firmware(), "bios");
  ExpectOneMore(before, Table(disk), kBiosBoot);

  v1::ConversionTask undo = TaskFor(disk);
  undo.set_mode(v1::ConversionTask::UNDO);
  ASSERT_OK(Run(undo).status);
  EXPECT_EQ(Table(disk, /*whole=*/false), before) << "but for the disk's new size";
}

TEST_F(FirmwareTest, GptWithRoomBeforeTheFirstPartitionDoesNotGrow) {
  const std::string disk = GptDisk("gpt-uefi", "s/^first-lba:.*/first-lba: 34/");
  const std::vector<std::string> before = Table(disk);
  ASSERT_OK(RunFor(LaunchSettings::LEGACY_BIOS, disk).status);
  ExpectOneMore(before, Table(disk), kBiosBoot);
  EXPECT_THAT(Table(disk), Contains(ContainsRegex("start= *34, size= *2014,")));
}

TEST_F(FirmwareTest, GptWithoutAFreeEntryIsRefused) {
  const std::string disk = GptDisk("gpt-uefi", "s/^first-lba:.*/&\\ntable-length: 2/");
  EXPECT_THAT(RunFor(LaunchSettings::LEGACY_BIOS, disk).status,
              StatusIs(absl::StatusCode::kFailedPrecondition, "free one on the source"));
}

TEST_F(FirmwareTest, GptFromBiosToUefi) {
  const std::string disk = GptDisk("gpt-bios");
  const std::vector<std::string> before = Table(disk);
  const ApplianceResult uefi = RunFor(LaunchSettings::UEFI, disk);
  ASSERT_OK(uefi.status);
  EXPECT_EQ(uefi.task.inspection().boot_mode(), "BIOS");
  ExpectOneMore(before, Table(disk), kEsp);
  EXPECT_THAT(uefi.task.changes(),
              Contains(Property(&v1::Change::path, "esp:/EFI/BOOT/BOOTX64.EFI")));
}

// The target's firmware has no variables: it starts nothing but the fallback.
TEST_F(FirmwareTest, TheVendorsLoaderBecomesTheFallback) {
  const std::string disk = GptDisk("gpt-uefi");
  const std::vector<std::string> before = Table(disk);
  const ApplianceResult uefi = RunFor(LaunchSettings::BOOT_MODE_UNSPECIFIED, disk);
  ASSERT_OK(uefi.status);
  EXPECT_EQ(uefi.task.hints().firmware(), "uefi");
  for (const char* path : {"BOOTX64.EFI", "grubx64.efi", "grub.cfg"}) {
    EXPECT_THAT(uefi.task.changes(),
                Contains(Property(&v1::Change::path, absl::StrCat("esp:/EFI/BOOT/", path))));
  }
  EXPECT_EQ(Table(disk), before);
}

}  // namespace
}  // namespace godwit::conversion
