// Configuration of the tools that make initramfs images, as their manuals have it.
#include "services/conversion/converter/initramfs_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/common/base/file.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert {
namespace {

using ::godwit::testing::TempDir;

const std::vector<std::string> kModules = {"virtio_blk", "nvme"};

TEST(InitramfsConfigTest, Mkinitcpio) {
  const std::string edited =
      AddMkinitcpioModules("# MODULES=(x)\nMODULES=(i915 nvme)\nHOOKS=(base udev)\n", kModules);
  EXPECT_EQ(edited, "# MODULES=(x)\nMODULES=(i915 nvme virtio_blk)\nHOOKS=(base udev)\n");
  EXPECT_EQ(AddMkinitcpioModules(edited, kModules), edited);
  EXPECT_EQ(AddMkinitcpioModules("MODULES=\"\"\n", kModules), "MODULES=\"virtio_blk nvme\"\n");
  EXPECT_EQ(AddMkinitcpioModules("HOOKS=(base)", kModules),
            "HOOKS=(base)\nMODULES=(virtio_blk nvme)\n");
  EXPECT_EQ(AddMkinitcpioModules("MODULES=(a\n b)\n", kModules), "MODULES=(a\n b)\n");
}

TEST(InitramfsConfigTest, MkinitfsAndMkinitrd) {
  EXPECT_EQ(AddMkinitfsFeatures("features=\"ata base ext4 scsi\"\n", {"nvme", "scsi", "virtio"}),
            "features=\"ata base ext4 scsi nvme virtio\"\n");
  EXPECT_EQ(AddInitrdModules("INITRD_MODULES=\"mptspi ata_piix\"\nDOMU=\"\"\n", kModules),
            "INITRD_MODULES=\"mptspi ata_piix virtio_blk nvme\"\nDOMU=\"\"\n");
}

class InitramfsConfigTreeTest : public ::testing::TestWithParam<std::vector<std::string>> {};

// Tool, file that shows it, its configuration, before, after.
TEST_P(InitramfsConfigTreeTest, TheToolsOwnFileIsEdited) {
  const std::vector<std::string>& row = GetParam();
  TempDir dir;
  const auto put = [&](const std::string& path, const std::string& text) {
    ASSERT_OK(MakeDirs(dir / path.substr(0, path.rfind('/'))));
    ASSERT_OK(WriteFileAtomically(dir / path, text));
  };
  put(row[1], "");
  if (!row[3].empty()) put(row[2], row[3]);
  ASSERT_OK_AND_ASSIGN(GuestRoot root, GuestRoot::Open(dir.path()));
  EXPECT_EQ(FindInitramfsTool(root), row[0]);
  const StableName none = [](const std::string&) { return std::nullopt; };
  ASSERT_OK(ConvertInitramfsConfig(root, kModules, none));
  ASSERT_OK_AND_ASSIGN(const std::string after, ReadFile(dir / row[2]));
  EXPECT_EQ(after, row[4]);
  ASSERT_OK(ConvertInitramfsConfig(root, kModules, none));
  EXPECT_EQ(root.changes().size(), 1u) << "twice is once";
}

INSTANTIATE_TEST_SUITE_P(
    Tools, InitramfsConfigTreeTest,
    ::testing::Values(
        std::vector<std::string>{"initramfs-tools", "etc/initramfs-tools/initramfs.conf",
                                 "etc/initramfs-tools/modules", "# list\n",
                                 "# list\nvirtio_blk\nnvme\n"},
        std::vector<std::string>{"dracut", "usr/bin/dracut", "etc/dracut.conf.d/90-godwit.conf", "",
                                 "# Drivers of the platform that this system was migrated to.\n"
                                 "add_drivers+=\" virtio_blk nvme \"\n"},
        std::vector<std::string>{"mkinitcpio", "etc/mkinitcpio.conf", "etc/mkinitcpio.conf",
                                 "MODULES=()\n", "MODULES=(virtio_blk nvme)\n"},
        std::vector<std::string>{"mkinitfs", "etc/mkinitfs/features.d/x",
                                 "etc/mkinitfs/mkinitfs.conf", "features=\"base\"\n",
                                 "features=\"base ata nvme scsi virtio\"\n"},
        std::vector<std::string>{"mkinitrd", "sbin/mkinitrd", "etc/sysconfig/kernel",
                                 "INITRD_MODULES=\"piix\"\n",
                                 "INITRD_MODULES=\"piix virtio_blk nvme\"\n"}));

}  // namespace
}  // namespace godwit::convert
