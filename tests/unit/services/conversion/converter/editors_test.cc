#include "services/conversion/converter/editors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "services/conversion/converter/cpio.h"
#include "services/conversion/converter/modules.h"
#include "services/conversion/converter/superblock.h"

namespace godwit::convert {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::optional<std::string> Stable(const std::string& device) {
  if (device == "/dev/sda1") return "UUID=root";
  if (device == "/dev/sda5") return "UUID=swap";
  if (device == "UUID=x") return device;
  return std::nullopt;
}

TEST(Fstab, DevicesGetStableNamesAndLayoutStays) {
  std::vector<std::string> unresolved;
  EXPECT_EQ(
      EditFstab("# /dev/sda1 was here\n/dev/sda1  /\text4 errors=remount-ro 0 1\n/dev/sda5 none "
                "swap sw 0 0\n"
                "UUID=x /home xfs defaults 0 2\nproc /proc proc defaults 0 0\n/dev/sr0 /media "
                "iso9660 user,noauto 0 0\n",
                Stable, &unresolved),
      "# /dev/sda1 was here\nUUID=root  /\text4 errors=remount-ro 0 1\nUUID=swap none swap sw 0 0\n"
      "UUID=x /home xfs defaults 0 2\nproc /proc proc defaults 0 0\n/dev/sr0 /media iso9660 "
      "user,noauto 0 0\n");
  EXPECT_THAT(unresolved, IsEmpty());
}

TEST(Fstab, WhatIsNotThereDoesNotStopTheBoot) {
  std::vector<std::string> unresolved;
  EXPECT_EQ(EditFstab("/dev/sdz1 /data ext4 defaults 0 2\n/dev/sdy1 /x ext4 nofail 0 "
                      "2\n/dev/disk/by-uuid/7 / ext4 defaults 0 1\n",
                      Stable, &unresolved),
            "/dev/sdz1 /data ext4 defaults,nofail 0 2\n/dev/sdy1 /x ext4 nofail 0 "
            "2\n/dev/disk/by-uuid/7 / ext4 defaults 0 1\n");
  EXPECT_THAT(unresolved, ElementsAre("/dev/sdz1")) << "never the root";
}

TEST(Grub, DefaultsKeepTheirQuotes) {
  const std::string edited =
      EditGrubDefaults("GRUB_CMDLINE_LINUX=\"\"\nGRUB_DISABLE_LINUX_UUID=true\n", Stable);
  EXPECT_EQ(
      edited,
      "GRUB_CMDLINE_LINUX=\"console=tty0 console=ttyS0,115200\"\n#GRUB_DISABLE_LINUX_UUID=true\n");
  EXPECT_EQ(EditGrubDefaults(edited, Stable), edited);
  EXPECT_EQ(EditGrubDefaults("", Stable),
            "GRUB_CMDLINE_LINUX=\"console=tty0 console=ttyS0,115200\"\n");
}

TEST(Grub, DefaultsThatForbidUuids) {
  // Longer than a string's own room: what is edited moves in memory.
  const std::string long_value = "GRUB_DISABLE_LINUX_UUID=true   # " + std::string(64, 'x');
  EXPECT_EQ(EditGrubDefaults(long_value + "\nGRUB_CMDLINE_LINUX=\"\"\n", Stable),
            "#" + long_value + "\nGRUB_CMDLINE_LINUX=\"console=tty0 console=ttyS0,115200\"\n");
}

TEST(Grub, DefaultsWithoutAnEndOfTheLastLine) {
  EXPECT_EQ(EditGrubDefaults("GRUB_TIMEOUT=5", Stable),
            "GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX=\"console=tty0 console=ttyS0,115200\"\n");
}

TEST(Initramfs, ModulesOnce) {
  EXPECT_EQ(AddModules("# list\nvirtio_blk", {"virtio_blk", "nvme"}), "# list\nvirtio_blk\nnvme\n");
  EXPECT_EQ(EditResume("RESUME=/dev/sda5\n", Stable), "RESUME=UUID=swap\n");
}

TEST(Modules, ClosureHasDependenciesFirst) {
  const std::string dep =
      "kernel/a/virtio_blk.ko: kernel/b/virtio.ko kernel/b/virtio_ring.ko\nkernel/b/virtio.ko: "
      "kernel/b/virtio_ring.ko\n"
      "kernel/b/virtio_ring.ko:\n/etc/passwd: x\n../../evil.ko:\nkernel/c/loop-a.ko.xz: "
      "kernel/c/loop-a.ko.xz\n";
  EXPECT_THAT(ModuleClosure(dep, {"virtio-blk", "not_there", "loop_a", "evil"}),
              ElementsAre("kernel/b/virtio_ring.ko", "kernel/b/virtio.ko", "kernel/a/virtio_blk.ko",
                          "kernel/c/loop-a.ko.xz"));
}

TEST(Modules, AreAsDeepAsTheGuestLikes) {
  std::string dep;
  constexpr int kDepth = 300000;
  for (int i = 0; i < kDepth; ++i) {
    absl::StrAppend(&dep, "m", i, ".ko: m", (i + 1) % kDepth, ".ko\n");
  }
  const std::vector<std::string> closure = ModuleClosure(dep, {"m0"});
  ASSERT_EQ(closure.size(), static_cast<std::size_t>(kDepth));
  EXPECT_EQ(closure.front(), absl::StrCat("m", kDepth - 1, ".ko"));
  EXPECT_EQ(closure.back(), "m0.ko");
}

TEST(Superblock, HostileBytesAreNothing) {
  EXPECT_EQ(ParseSuperblock("").type, "");
  for (std::size_t size : {1u, 4u, 512u, 1080u, 1288u, 4096u}) {
    EXPECT_EQ(ParseSuperblock(std::string(size, '\xff')).type, "");
  }
  std::string ext(2048, '\0');
  ext.replace(1024 + 56, 2, "\x53\xef");
  ext.replace(1024 + 104, 16, "0123456789abcdef");
  EXPECT_EQ(ParseSuperblock(ext).type, "ext2") << "no journal, no newer features";
  EXPECT_EQ(ParseSuperblock(ext).uuid, "30313233-3435-3637-3839-616263646566");
}

TEST(Cpio, IsDeterministicAndPadded) {
  const auto make = [] {
    CpioWriter writer;
    writer.File("lib/modules/6/kernel/a.ko", "abc", "lib/modules");
    return writer.Finish();
  };
  EXPECT_EQ(make(), make());
  EXPECT_EQ(make().size() % 512, 0u);
  EXPECT_EQ(make().find(std::string("lib/modules\0", 12)), std::string::npos);
  EXPECT_NE(make().find("lib/modules/6/kernel"), std::string::npos);
}

}  // namespace
}  // namespace godwit::convert
