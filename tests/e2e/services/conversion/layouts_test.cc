// Disks in every layout that servers use, converted in the appliance; matrix_test.cc boots them.
// The machines were installed on IDE disks, and none of their initramfs images has a virtio driver.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "services/common/base/file.h"
#include "services/conversion/appliance/appliance.h"
#include "tests/support/process.h"
#include "tests/support/source_machine.h"
#include "tests/support/status_matchers.h"

namespace godwit::conversion {
namespace {

namespace pb = ::godwit::conversion::v1;
using ::godwit::testing::Process;
using ::godwit::testing::SourceMachine;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Property;

constexpr absl::Duration kPatience = absl::Minutes(8);

auto VolumeAt(const std::string& mount_point, const std::string& type) {
  return AllOf(Property(&pb::InspectedVolume::mount_point, mount_point),
               Property(&pb::InspectedVolume::type, type));
}
auto Reason(const std::string& reason) { return Property(&pb::Finding::reason, reason); }

class LayoutsTest : public ::testing::Test {
 protected:
  // Overlays on the first `count` disks of a layout.
  void Overlays(const std::string& layout, std::size_t count = 26) {
    layout_ = layout;
    ASSERT_OK_AND_ASSIGN(images_, SourceMachine::Images(layout));
    for (std::size_t i = 0; i < images_.size() && i < count; ++i) {
      disks_.push_back(dir_ / absl::StrCat("disk", i, ".qcow2"));
      ASSERT_OK_AND_ASSIGN(
          Process create,
          Process::Start({.command = {"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-F",
                                      "raw", "-b", images_[i], disks_[i]},
                          .log = dir_ / "create.log"}));
      ASSERT_EQ(*create.Wait(absl::Seconds(30)), 0) << create.Log();
    }
  }
  std::string Contents() const {
    std::string all;
    for (const std::string& disk : disks_) all += ReadFile(disk, 64 << 20).value_or("too large");
    return all;
  }
  // A folder with the key of the layout luks-lvm.
  std::string Keys() {
    const std::string folder = dir_ / "keys";
    EXPECT_OK(MakeDirs(folder, 0700));
    const absl::StatusOr<std::string> key =
        ReadFile(absl::StrReplaceAll(images_[0], {{"-0.raw", ".key"}}));
    EXPECT_OK(key.status());
    EXPECT_OK(WriteFileAtomically(folder + "/default.key", key.value_or(""), 0600));
    return folder;
  }
  // A preflight must not write.
  ApplianceResult Convert(const std::string& keys = "",
                          pb::ConversionTask::Mode mode = pb::ConversionTask::APPEND) {
    pb::ConversionTask task;
    task.set_mode(mode);
    for (std::size_t i = 0; i < disks_.size(); ++i) {
      auto& disk = *task.add_disks();
      disk.set_device_name(absl::StrCat("/dev/sd", std::string(1, static_cast<char>('a' + i))));
      disk.set_path(disks_[i]);
    }
    const auto appliance = Appliance::Open({.folder = GODWIT_APPLIANCE, .disk_keys_folder = keys});
    EXPECT_OK(appliance.status());
    const std::atomic<bool> cancel{false};
    const std::string before = Contents();
    const absl::Time from = absl::Now();
    ApplianceResult result =
        appliance->Run(task, dir_.path(), kPatience, cancel, [](const std::string&) {});
    std::printf("%s: converted in %.1f s\n", layout_.c_str(),
                absl::ToDoubleSeconds(absl::Now() - from));
    EXPECT_TRUE(mode != pb::ConversionTask::PREFLIGHT || before == Contents()) << "it wrote";
    if (!result.status.ok()) std::printf("%s\n", result.task.console_tail().c_str());
    return result;
  }
  TempDir dir_;
  std::string layout_;
  std::vector<std::string> images_, disks_;
};

TEST_F(LayoutsTest, LvmOverTwoDisks) {
  Overlays("lvm");
  const ApplianceResult result = Convert();
  ASSERT_OK(result.status);
  const auto& volumes = result.task.inspection().volumes();
  EXPECT_THAT(volumes,
              Contains(AllOf(VolumeAt("/", "ext4"),
                             Property(&pb::InspectedVolume::device, "/dev/mapper/vg0-root"),
                             Property(&pb::InspectedVolume::kind, "lvm"))));
  EXPECT_THAT(volumes, Contains(VolumeAt("/boot", "ext4")));
  EXPECT_THAT(volumes, Contains(VolumeAt("/srv", "ext4")));
  EXPECT_THAT(result.task.findings(), Each(Property(&pb::Finding::severity, pb::Finding::NOTE)));
}

TEST_F(LayoutsTest, AVolumeGroupWithoutOneDiskNamesIt) {
  Overlays("lvm", 1);
  const ApplianceResult result = Convert("", pb::ConversionTask::PREFLIGHT);
  EXPECT_THAT(result.task.findings(), Contains(Reason("INCOMPLETE_VOLUME_GROUP")));
  EXPECT_THAT(result.task.findings(), Contains(Reason("VOLUME_NOT_ACTIVE"))) << "the striped one";
  ASSERT_OK(result.status);  // the root is on the disk that is there
}

TEST_F(LayoutsTest, LvmInLuksNeedsItsKey) {
  Overlays("luks-lvm");
  const ApplianceResult closed = Convert("", pb::ConversionTask::PREFLIGHT);
  ASSERT_OK(closed.status);
  EXPECT_THAT(Convert().status, StatusIs(absl::StatusCode::kFailedPrecondition, "--disk-keys"));
  EXPECT_THAT(
      closed.task.findings(),
      Contains(AllOf(Reason("NEEDS_KEY"), Property(&pb::Finding::severity, pb::Finding::BLOCKER),
                     Property(&pb::Finding::message, HasSubstr("/dev/sda2")))));
  const std::string keys = Keys();
  const ApplianceResult result = Convert(keys);
  ASSERT_OK(result.status);
  EXPECT_THAT(result.task.inspection().volumes(),
              Contains(AllOf(VolumeAt("/", "ext4"), Property(&pb::InspectedVolume::device,
                                                             "/dev/mapper/vg--crypt-root"))));
  EXPECT_THAT(result.task.changes(), Contains(Property(&pb::Change::path, "/etc/crypttab")));
  ASSERT_OK_AND_ASSIGN(const std::string key, ReadFile(keys + "/default.key"));
  EXPECT_THAT(result.task.DebugString(), Not(HasSubstr(key)));
}

TEST_F(LayoutsTest, Raid1) {
  Overlays("md");
  const ApplianceResult result = Convert();
  ASSERT_OK(result.status);
  EXPECT_THAT(result.task.inspection().volumes(),
              Contains(AllOf(
                  VolumeAt("/", "ext4"), Property(&pb::InspectedVolume::device, "/dev/md0"),
                  Property(&pb::InspectedVolume::lies_on, ElementsAre("/dev/sda1", "/dev/sdb1")))));
  EXPECT_THAT(result.task.findings(), Each(Property(&pb::Finding::severity, pb::Finding::NOTE)));
}

TEST_F(LayoutsTest, OneDiskOfARaid1IsEnoughAndIsSaid) {
  Overlays("md", 1);
  const ApplianceResult result = Convert("", pb::ConversionTask::PREFLIGHT);
  ASSERT_OK(result.status);
  EXPECT_THAT(result.task.findings(), Contains(Reason("DEGRADED_ARRAY")));
}

TEST_F(LayoutsTest, BtrfsSubvolumes) {
  Overlays("btrfs");
  const ApplianceResult result = Convert();
  ASSERT_OK(result.status);
  EXPECT_THAT(
      result.task.inspection().volumes(),
      Contains(AllOf(VolumeAt("/", "btrfs"), Property(&pb::InspectedVolume::subvolume, "@"))));
  EXPECT_THAT(result.task.findings(), Each(Property(&pb::Finding::severity, pb::Finding::NOTE)));
}

// Names that only the source's hardware gives mean the only volumes that they can mean.
TEST_F(LayoutsTest, NamesOfHardwareAreResolved) {
  for (const char* layout : {"gpt-uefi", "gpt-bios"}) {
    disks_.clear();
    Overlays(layout);
    const ApplianceResult result = Convert("", pb::ConversionTask::PREFLIGHT);
    ASSERT_OK(result.status);
    EXPECT_THAT(result.task.findings(), Not(Contains(Reason("UNRESOLVABLE_FSTAB"))));
    const auto& volumes = result.task.inspection().volumes();
    EXPECT_THAT(volumes, Contains(VolumeAt("/", "ext4")));
    EXPECT_THAT(volumes, Contains(layout_ == "gpt-uefi" ? VolumeAt("/boot/efi", "vfat")
                                                        : VolumeAt("", "swap")));
    EXPECT_THAT(result.task.changes(), Contains(Property(&pb::Change::path, "/etc/fstab")));
    std::filesystem::remove(disks_[0]);
  }
}

}  // namespace
}  // namespace godwit::conversion
