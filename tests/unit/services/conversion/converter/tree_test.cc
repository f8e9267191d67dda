// The converter on a file tree, and what comes out of an appliance that lies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/conversion/appliance/results.h"
#include "services/conversion/converter/convert.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;
using ::testing::HasSubstr;

class TreeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Put("etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n");
    Put("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n");
    Put("etc/default/grub", "GRUB_CMDLINE_LINUX=\"\"\n");
    Put("etc/initramfs-tools/modules", "");
    Put("boot/grub/grub.cfg", "linux /boot/vmlinuz-6.1 root=/dev/sda1 ro\n");
    Put("boot/vmlinuz-6.1", "kernel");
    Put("boot/initrd.img-6.1", std::string("\x1f\x8b", 2) + " compressed");
    Put("lib/modules/6.1/modules.dep", "kernel/virtio_blk.ko:\n");
    Put("lib/modules/6.1/kernel/virtio_blk.ko", "driver");
    Put("usr/lib/systemd/systemd-udevd", "");
    Put("usr/local/sbin/godwit-agent", "agent");
    Put("var/lib/godwit-agent/tls/tls.key", "secret");
  }
  void Put(const std::string& path, const std::string& content) {
    ASSERT_OK(MakeDirs(std::filesystem::path(dir_ / path).parent_path().string()));
    ASSERT_OK(WriteFileAtomically(dir_ / path, content, 0640));
  }
  absl::Status Convert(Outcome* outcome, bool dry_run = false) {
    auto root = GuestRoot::Open(dir_.path());
    if (!root.ok()) return root.status();
    outcome->volumes = {{.source_device = "/dev/sda1", .type = "ext4", .uuid = "u-1"}};
    Job job{.source_disks = {"/dev/sda"},
            .nics = {{.mac_address = "52:54:00:00:00:01", .source_name = "eth0"}},
            .dry_run = dry_run};
    return ConvertTree(*root, job, outcome, [](const std::string&) {});
  }
  std::string Get(const std::string& path) { return ReadFile(dir_ / path).value_or("(none)"); }

  TempDir dir_;
};

TEST_F(TreeTest, ConvertsOnceAndKeepsWhatWasThere) {
  Outcome first, second;
  ASSERT_OK(Convert(&first));
  EXPECT_THAT(Get("boot/grub/grub.cfg"), HasSubstr("root=UUID=u-1"));
  EXPECT_EQ(Get("etc/fstab.pre-migration"), "/dev/sda1 / ext4 defaults 0 1\n");
  EXPECT_THAT(Get("boot/initrd.img-6.1"), HasSubstr("lib/modules/6.1/kernel/virtio_blk.ko"));
  EXPECT_THAT(Get("etc/systemd/network/10-godwit-eth0.link"),
              HasSubstr("MACAddress=52:54:00:00:00:01"));
  EXPECT_THAT(Get("boot/initrd.img-6.1"), HasSubstr("etc/systemd/network/10-godwit-eth0.link"))
      << "the card would be renamed once more, perhaps while it is in use";
  EXPECT_EQ(Get("usr/local/sbin/godwit-agent"), "(none)");
  EXPECT_EQ(Get("var/lib/godwit-agent/tls/tls.key"), "(none)") << "no secret travels on";
  ASSERT_OK(Convert(&second));
  EXPECT_EQ(second.changes.size(), 0u);
  // A kernel update in the guest makes a new image: that one is converted, too.
  Put("boot/initrd.img-6.1", std::string("\x1f\x8b", 2) + " newer one");
  Outcome third;
  ASSERT_OK(Convert(&third));
  EXPECT_EQ(third.changes.size(), 1u);
  EXPECT_EQ(Get("boot/initrd.img-6.1").substr(2, 10), " newer one");
  Outcome fourth;
  ASSERT_OK(Convert(&fourth));
  EXPECT_EQ(fourth.changes.size(), 0u);
}

TEST_F(TreeTest, APlanChangesNothing) {
  Outcome plan;
  ASSERT_OK(Convert(&plan, /*dry_run=*/true));
  EXPECT_GT(plan.changes.size(), 5u);
  EXPECT_EQ(Get("etc/fstab"), "/dev/sda1 / ext4 defaults 0 1\n");
  EXPECT_EQ(Get("usr/local/sbin/godwit-agent"), "agent");
}

TEST_F(TreeTest, SymlinksLeadNowhereElse) {
  const TempDir outside;
  ASSERT_OK(WriteFileAtomically(outside / "victim", "/dev/sda1 precious\n"));
  std::filesystem::remove(dir_ / "etc/fstab");
  ASSERT_EQ(symlink((outside / "victim").c_str(), (dir_ / "etc/fstab").c_str()), 0);
  Outcome outcome;
  ASSERT_OK(Convert(&outcome));
  EXPECT_EQ(*ReadFile(outside / "victim"), "/dev/sda1 precious\n");
}

TEST_F(TreeTest, WhatIsNoPlainFileOfASaneSizeIsNotRead) {
  Outcome outcome;
  std::filesystem::remove(dir_ / "etc/fstab");
  ASSERT_EQ(mkfifo((dir_ / "etc/fstab").c_str(), 0644), 0);
  EXPECT_THAT(Convert(&outcome),
              StatusIs(absl::StatusCode::kFailedPrecondition, "etc/fstab: not a regular file"));
  std::filesystem::remove(dir_ / "etc/fstab");
  Put("etc/fstab", "");
  ASSERT_EQ(truncate((dir_ / "etc/fstab").c_str(), off_t{100} << 30), 0);
  EXPECT_THAT(Convert(&outcome), StatusIs(absl::StatusCode::kResourceExhausted, "etc/fstab"));
}

TEST_F(TreeTest, AFolderOfManyNamesIsBounded) {
  for (int i = 0; i < 10500; ++i) {
    std::filesystem::create_symlink("x", dir_ / absl::StrCat("boot/vmlinuz-", i));
  }
  ASSERT_OK_AND_ASSIGN(const GuestRoot root, GuestRoot::Open(dir_.path()));
  EXPECT_EQ(root.List("boot").size(), 10000u);
}

TEST_F(TreeTest, ARootThatIsNotMigratedIsFoundOut) {
  Put("boot/grub/grub.cfg", "linux /boot/vmlinuz-6.1 root=/dev/sdb1 ro\n");
  Outcome outcome;
  EXPECT_THAT(Convert(&outcome), StatusIs(absl::StatusCode::kFailedPrecondition, "/dev/sdb1"));
}

TEST_F(TreeTest, ASystemWithoutGrubIsRefused) {
  std::filesystem::remove_all(dir_ / "boot/grub");
  Outcome outcome;
  EXPECT_THAT(Convert(&outcome), StatusIs(absl::StatusCode::kUnimplemented, "GRUB"));
}

TEST(ResultReader, LiesAreBoundedAndNeverSuccess) {
  int messages = 0;
  conversion::ResultReader reader([&](const std::string& message) {
    ++messages;
    EXPECT_LE(message.size(), 1000u);
  });
  ASSERT_OK(reader.Take("garbage\n{\"event\":5}\n[1,2]\n{\"event\":\"progress\",\"message\":\""));
  ASSERT_OK(reader.Take(std::string(5000, 'x') + "\"}\r\n"));
  EXPECT_EQ(messages, 1);
  conversion::v1::ConversionTask task;
  EXPECT_THAT(reader.Result(&task), StatusIs(absl::StatusCode::kInternal, "without a result"));
  ASSERT_OK(
      reader.Take("{\"event\":\"result\",\"task\":{\"name\":\"evil\",\"inspection\":{"
                  "\"distribution\":\"x\"}},\"error\":{\"code\":0}}\n"));
  EXPECT_EQ(reader.Result(&task).code(), absl::StatusCode::kInternal);
  EXPECT_EQ(task.name(), "") << "only output fields are taken";
  EXPECT_EQ(task.inspection().distribution(), "x");
  conversion::ResultReader deep([](const std::string&) {});
  ASSERT_OK(deep.Take("{\"event\":\"result\",\"task\":" + std::string(1 << 20, '[') + "\n"));
  EXPECT_FALSE(deep.Result(&task).ok());
  // Closing brackets in a text do not make up for opening ones.
  ASSERT_OK(deep.Take("{\"event\":\"result\",\"text\":\"\\\"" + std::string(1 << 20, ']') +
                      "\",\"task\":{\"name\":" + std::string(1 << 20, '[') +
                      std::string(1 << 20, ']') + "}}\n"));
  EXPECT_THAT(deep.Result(&task), StatusIs(absl::StatusCode::kInternal, "without a result"));
  EXPECT_FALSE(reader.Take(std::string(33 << 20, 'x')).ok());
}

}  // namespace
}  // namespace godwit::convert
