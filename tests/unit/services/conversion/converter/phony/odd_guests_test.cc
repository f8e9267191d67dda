// Guests that are not as they should be: no kernel that the target can run, images that are none,
// sealed systems. What is said about them, and that nothing is damaged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/file.h"
#include "services/conversion/converter/convert.h"
#include "services/conversion/converter/initramfs_config.h"
#include "services/conversion/converter/initramfs_format.h"
#include "services/conversion/converter/regenerate.h"
#include "tests/support/phony/phony_guest.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert {
namespace {

using namespace ::godwit::testing;
using ::testing::HasSubstr;

class OddGuestTest : public ::testing::Test {
 protected:
  void Family(const std::string& name) { PhonyFamilies().at(name)(guest_); }
  absl::Status Convert(Job job = {}) {
    auto root = GuestRoot::Open(dir_.path());
    if (!root.ok()) return root.status();
    outcome_ = {};
    outcome_.volumes = {{.source_device = "/dev/sda2", .type = "ext4", .uuid = kPhonyRootUuid},
                        {.source_device = "/dev/sda3", .type = "swap", .uuid = kPhonySwapUuid}};
    return ConvertTree(*root, job, &outcome_, [](const std::string&) {});
  }
  // Reasons of the findings, joined.
  std::string Reasons() const {
    std::string reasons;
    for (const Finding& finding : outcome_.findings)
      absl::StrAppend(&reasons, finding.severity, " ", finding.reason, "; ");
    return reasons;
  }
  std::string Default() const {
    for (const GuestKernel& kernel : outcome_.inspection.kernels)
      if (kernel.is_default) return kernel.release;
    return "(none)";
  }
  std::string Get(const std::string& path) { return ReadFile(dir_ / path).value_or("(none)"); }

  TempDir dir_;
  PhonyGuest guest_{dir_.path()};
  Outcome outcome_;
};

TEST_F(OddGuestTest, AKernelWithoutVirtioBlocksUnlessTheProfileHasOtherDisks) {
  guest_.Add({.release = "2.6.9-5.EL",
              .image = "boot/vmlinuz-2.6.9-5.EL",
              .initramfs = "boot/initrd-2.6.9-5.EL.img",
              .names = {"ahci", "e1000"}});
  guest_.Put("etc/redhat-release", "Red Hat Enterprise Linux ES release 4\n")
      .Put("etc/fstab", "/dev/sda2 / ext3 defaults 1 1\n")
      .Put("boot/grub/grub.conf",
           "default=0\ntitle 1\n\tkernel /vmlinuz-2.6.9-5.EL ro root=/dev/sda2\n");
  const auto before = Snapshot(dir_.path());
  EXPECT_THAT(Convert(), StatusIs(absl::StatusCode::kFailedPrecondition, "2.6.9-5.EL"));
  EXPECT_THAT(Reasons(), HasSubstr("BLOCKER NO_DISK_DRIVER"));
  EXPECT_TRUE(Snapshot(dir_.path()) == before) << "a blocked guest is left alone";
  ASSERT_OK(Convert({.dry_run = true}));  // a plan names all causes
  EXPECT_THAT(Reasons(), HasSubstr("BLOCKER NO_DISK_DRIVER"));
  ASSERT_OK(Convert({.linux_modules = {"ahci", "sd_mod", "e1000e"}}));
  EXPECT_EQ(Default(), "2.6.9-5.EL");
}

TEST_F(OddGuestTest, XenOnlyKernelsBlock) {
  Family("sles11");
  std::filesystem::remove(dir_ / "boot/vmlinuz-3.0.101-108-default");
  EXPECT_THAT(Convert(), StatusIs(absl::StatusCode::kFailedPrecondition, "Xen"));
  EXPECT_THAT(Reasons(), HasSubstr("BLOCKER XEN_ONLY_KERNELS"));
}

TEST_F(OddGuestTest, ADebugKernelIsNotTheDefaultWhenNothingSaysWhich) {
  Family("debian12");
  guest_.Add({.release = "6.9.0-debug",
              .image = "boot/vmlinuz-6.9.0-debug",
              .initramfs = "boot/initrd.img-6.9.0-debug"});
  guest_.Put("boot/grub/grub.cfg", "linux /boot/vmlinuz-6.1.0-21-amd64 root=/dev/sda2\n");
  ASSERT_OK(Convert());
  EXPECT_EQ(Default(), "6.1.0-21-amd64");
}

TEST_F(OddGuestTest, TheDefaultOfGrub2MovesToAKernelThatTheTargetRuns) {
  Family("ubuntu2204");
  guest_.Add({.release = "4.4.0-1-xen", .image = "boot/vmlinuz-4.4.0-1-xen"})
      .Put("boot/grub/grub.cfg",
           "set default=\"Dom0\"\nmenuentry 'Dom0' {\n multiboot /boot/xen-4.4.gz\n module "
           "/boot/vmlinuz-4.4.0-1-xen root=/dev/sda2\n}\nsubmenu 'More' {\n menuentry 'Old' {\n  "
           "linux /boot/vmlinuz-5.15.0-91-generic root=/dev/sda2\n }\n menuentry 'New' {\n  linux "
           "/boot/vmlinuz-5.15.0-105-generic root=/dev/sda2\n }\n}\n");
  ASSERT_OK(Convert());
  EXPECT_THAT(Get("boot/grub/grub.cfg"), HasSubstr("set default=\"1>1\"\n"));
  EXPECT_THAT(Reasons(), HasSubstr("WARNING KERNEL_CHANGED"));
  EXPECT_EQ(Default(), "5.15.0-105-generic");
  ASSERT_OK(Convert());
  EXPECT_TRUE(outcome_.changes.empty()) << "twice is once";
}

TEST_F(OddGuestTest, ASavedEntryMoves) {
  Family("rocky9");
  const std::string machine(32, 'a'), old = "5.14.0-1.el9.xen";
  guest_.Add({.release = old, .image = "boot/vmlinuz-" + old, .modules = "usr/lib/modules"})
      .Put(absl::StrCat("boot/loader/entries/", machine, "-", old, ".conf"),
           absl::StrCat("title x\nversion ", old, "\nlinux /boot/vmlinuz-", old,
                        "\noptions root=/dev/sda2\n"))
      .Put("boot/grub2/grubenv", absl::StrCat("# GRUB Environment Block\nsaved_entry=", machine,
                                              "-", old, "\n", std::string(900, '#')));
  ASSERT_OK(Convert());
  EXPECT_THAT(Get("boot/grub2/grubenv"),
              HasSubstr(absl::StrCat("saved_entry=", machine, "-5.14.0-427.13.1.el9_4.x86_64\n")));
  EXPECT_EQ(Get("boot/grub2/grubenv").size(), 1024u);
}

TEST_F(OddGuestTest, ImagesThatAreNoneAreLeftAlone) {
  Family("fedora40");
  const std::string image = "boot/initramfs-6.8.5-301.fc40.x86_64.img";
  guest_.Put(image, "");
  ASSERT_OK(Convert());
  EXPECT_THAT(Reasons(), HasSubstr("WARNING EMPTY_INITRAMFS"));
  EXPECT_EQ(Get(image), "");
  guest_.Put(image, "encrypted or signed by something");
  ASSERT_OK(Convert());
  EXPECT_THAT(Reasons(), HasSubstr("WARNING UNREADABLE_INITRAMFS"));
  EXPECT_EQ(Get(image), "encrypted or signed by something");
}

TEST_F(OddGuestTest, AnLz4ImageGetsAnotherFrame) {
  Family("ubuntu1804");
  const std::string image = "boot/initrd.img-4.15.0-213-generic";
  const std::string before = PhonyInitramfs() + Lz4Frame(PhonyInitramfs());
  guest_.Put(image, before);
  ASSERT_OK(Convert());
  const std::string after = Get(image);
  ASSERT_GT(after.size(), before.size() + 8);
  EXPECT_EQ(after.substr(0, before.size()), before);
  EXPECT_EQ(after.substr(before.size(), 4), std::string("\x02\x21\x4c\x18", 4)) << "no padding";
  ASSERT_OK(Convert());
  EXPECT_TRUE(outcome_.changes.empty()) << "twice is once";
  // lz4 itself unpacks the added frame, to an archive of modules.
  ASSERT_OK(WriteFileAtomically(dir_ / "frame.lz4", after.substr(before.size())));
  ASSERT_OK_AND_ASSIGN(
      Process lz4,
      Process::Start({.command = {"/usr/bin/lz4", "-dfq", dir_ / "frame.lz4", dir_ / "frame"},
                      .log = dir_ / "log"}));
  ASSERT_EQ(*lz4.Wait(absl::Seconds(30)), 0) << lz4.Log();
  EXPECT_EQ(Get("frame").substr(0, 6), "070701");
  EXPECT_THAT(Get("frame"), HasSubstr("lib/modules/4.15.0-213-generic/modules.dep"));
}

TEST_F(OddGuestTest, AnImageDoesNotWaitForTheSwapVolumeOfTheSource) {
  Family("debian12");
  ASSERT_OK(Convert());
  EXPECT_THAT(Get("boot/initrd.img-6.1.0-21-amd64"), HasSubstr("conf/conf.d/resume"));
  EXPECT_THAT(Get("boot/initrd.img-6.1.0-21-amd64"),
              HasSubstr(absl::StrCat("RESUME=UUID=", kPhonySwapUuid, "\n")));
}

TEST_F(OddGuestTest, AKernelWithoutItsModulesIsNamed) {
  Family("debian12");
  guest_.Put("boot/vmlinuz-9.9", "kernel").Put("boot/initrd.img-9.9", PhonyInitramfs());
  ASSERT_OK(Convert());
  EXPECT_THAT(Reasons(), HasSubstr("WARNING NO_MODULES"));
  EXPECT_EQ(Get("boot/initrd.img-9.9"), PhonyInitramfs());
}

TEST_F(OddGuestTest, AnInitramfsWithAFixedListIsNamed) {
  Family("centos6");
  guest_.Put("sbin/nash", "");
  ASSERT_OK(Convert());
  EXPECT_THAT(Reasons(), HasSubstr("WARNING FIXED_INITRAMFS"));
}

TEST_F(OddGuestTest, UnifiedImagesAreReportedAndLeftAlone) {
  Family("arch_systemd_boot");
  guest_.Put("boot/EFI/Linux/arch-linux.efi", "signed");
  ASSERT_OK(Convert());
  EXPECT_THAT(Reasons(), HasSubstr("WARNING UNIFIED_KERNEL_IMAGE"));
  EXPECT_EQ(Get("boot/EFI/Linux/arch-linux.efi"), "signed");
  for (const char* path : {"boot/vmlinuz-linux", "boot/initramfs-linux.img"})
    std::filesystem::remove(dir_ / path);
  EXPECT_THAT(Convert(), StatusIs(absl::StatusCode::kFailedPrecondition, "REGENERATE"));
}

TEST_F(OddGuestTest, AnOstreeSystemIsLeftAlone) {
  Family("fedora40");
  guest_.Put("ostree/repo/config", "[core]\n");
  const auto before = Snapshot(dir_.path());
  EXPECT_THAT(Convert(), StatusIs(absl::StatusCode::kFailedPrecondition, "ostree"));
  EXPECT_THAT(Reasons(), HasSubstr("BLOCKER OSTREE"));
  EXPECT_TRUE(Snapshot(dir_.path()) == before);
}

TEST_F(OddGuestTest, LabelsStayOnEditedFiles) {
  Family("rocky9");
  const std::string fstab = dir_ / "etc/fstab", label = "system_u:object_r:etc_t:s0";
  ASSERT_EQ(setxattr(fstab.c_str(), "security.selinux", label.c_str(), label.size() + 1, 0), 0);
  ASSERT_EQ(
      setxattr((dir_ / "etc").c_str(), "security.selinux", label.c_str(), label.size() + 1, 0), 0);
  guest_.Put("etc/cloud/cloud.cfg", "");
  ASSERT_EQ(setxattr((dir_ / "etc/cloud").c_str(), "security.selinux", "x", 2, 0), 0);
  ASSERT_OK(Convert());
  char value[256] = {};
  ASSERT_GT(getxattr(fstab.c_str(), "security.selinux", value, sizeof value), 0);
  EXPECT_EQ(value, label);
}

TEST_F(OddGuestTest, WhatTheToolsAreCalledWith) {
  const std::pair<std::string, std::string> rows[] = {
      {"debian12", "/usr/sbin/update-initramfs -u -k 6.1.0-21-amd64"},
      {"centos6",
       "/sbin/dracut --force /boot/initramfs-2.6.32-754.el6.x86_64.img "
       "2.6.32-754.el6.x86_64"},
      {"rocky9",
       "/usr/bin/dracut --force --no-hostonly "
       "/boot/initramfs-5.14.0-427.13.1.el9_4.x86_64.img 5.14.0-427.13.1.el9_4.x86_64"},
      {"sles11", "/sbin/mkinitrd -k vmlinuz-3.0.101-108-xen -i initrd-3.0.101-108-xen"},
      {"arch_grub",
       "/usr/bin/mkinitcpio -k 6.9.1-arch1-1 -g /boot/initramfs-linux.img -S autodetect"},
      {"alpine320", "/sbin/mkinitfs -o /boot/initramfs-lts 6.6.31-0-lts"}};
  for (const auto& [family, words] : rows) {
    const TempDir dir;
    PhonyGuest guest(dir.path());
    PhonyFamilies().at(family)(guest);
    ASSERT_OK_AND_ASSIGN(const auto root, GuestRoot::Open(dir.path()));
    const std::string tool = FindInitramfsTool(root);
    const GuestKernel kernel = FindKernels(root).back();
    if (family != "centos6" && family != "sles11" && family != "rocky9") {
      EXPECT_THAT(CommandFor(root, tool, kernel),
                  StatusIs(absl::StatusCode::kFailedPrecondition, "the guest has no /"));
    }
    guest.Put("usr/sbin/update-initramfs", "")
        .Put("usr/bin/mkinitcpio", "")
        .Put("sbin/mkinitfs", "");
    if (family == "rocky9") guest.Put("usr/lib/dracut/dracut-init.sh", "");
    ASSERT_OK_AND_ASSIGN(const RegenerateCommand command, CommandFor(root, tool, kernel));
    EXPECT_EQ(absl::StrJoin(command.words, " "), words);
    EXPECT_EQ(command.image, kernel.initramfs);
  }
}

}  // namespace
}  // namespace godwit::convert
