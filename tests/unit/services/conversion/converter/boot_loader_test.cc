// Configuration of boot loaders as their own tools and distributions write it.
#include "services/conversion/converter/boot_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kConsoles[] = " console=tty0 console=ttyS0,115200";

std::optional<std::string> Stable(const std::string& device) {
  if (device == "/dev/sda1") return "UUID=root";
  if (device == "/dev/sda5") return "UUID=swap";
  return std::nullopt;
}

// Edits, and once more, which must change nothing.
std::string Edit(BootSyntax syntax, const std::string& text) {
  const std::string edited = EditBootConfig(syntax, text, Stable);
  EXPECT_EQ(EditBootConfig(syntax, edited, Stable), edited) << "twice is once";
  return edited;
}

TEST(BootConfigTest, Grub2) {
  EXPECT_EQ(Edit(BootSyntax::kGrub2,
                 "menuentry 'x' {\n\tlinux\t/boot/vmlinuz-6 root=/dev/sda1 ro quiet "
                 "resume=/dev/sda5\n\tinitrd /boot/i\n}\n"),
            absl::StrCat("menuentry 'x' {\n\tlinux\t/boot/vmlinuz-6 root=UUID=root ro quiet "
                         "resume=UUID=swap",
                         kConsoles, "\n\tinitrd /boot/i\n}\n"));
  EXPECT_EQ(Edit(BootSyntax::kGrub2, "linuxefi /v root=UUID=x console=ttyS1\nlinux\n"),
            "linuxefi /v root=UUID=x console=ttyS1\nlinux\n");
}

TEST(BootConfigTest, GrubLegacy) {
  EXPECT_EQ(Edit(BootSyntax::kGrubLegacy,
                 "default=0\ntitle CentOS\n\troot (hd0,0)\n\tkernel /vmlinuz-2.6 ro "
                 "root=/dev/sda1 rhgb\n\tinitrd /initramfs\ntitle Other\n\tkernel /memtest.bin\n"),
            absl::StrCat("default=0\ntitle CentOS\n\troot (hd0,0)\n\tkernel /vmlinuz-2.6 ro "
                         "root=UUID=root rhgb",
                         kConsoles, "\n\tinitrd /initramfs\ntitle Other\n\tkernel /memtest.bin\n"));
}

TEST(BootConfigTest, EntriesExtlinuxAndCommandLine) {
  EXPECT_EQ(Edit(BootSyntax::kEntry, "title Arch\nlinux /vmlinuz\noptions root=/dev/sda1 rw\n"),
            absl::StrCat("title Arch\nlinux /vmlinuz\noptions root=UUID=root rw", kConsoles, "\n"));
  EXPECT_EQ(Edit(BootSyntax::kEntry, "options $kernelopts $tuned_params root=\n"),
            "options $kernelopts $tuned_params root=\n");
  EXPECT_EQ(
      Edit(BootSyntax::kExtlinux, "LABEL lts\n  LINUX vmlinuz\n  APPEND root=/dev/sda1 ro\n"),
      absl::StrCat("LABEL lts\n  LINUX vmlinuz\n  APPEND root=UUID=root ro", kConsoles, "\n"));
  EXPECT_EQ(Edit(BootSyntax::kCommandLine, "root=/dev/sda1 ro\n"),
            absl::StrCat("root=UUID=root ro", kConsoles, "\n"));
  EXPECT_EQ(Edit(BootSyntax::kCommandLine, ""), "");
}

TEST(BootConfigTest, TheEnvironmentBlockKeepsItsSize) {
  std::string block = "# GRUB Environment Block\nsaved_entry=0\nkernelopts=root=/dev/sda1 ro \n";
  block.resize(1024, '#');
  const std::string edited = Edit(BootSyntax::kEnvironment, block);
  EXPECT_EQ(edited.size(), 1024u);
  EXPECT_EQ(edited.substr(0, edited.find("\n#", 3) + 1),
            absl::StrCat("# GRUB Environment Block\nsaved_entry=0\nkernelopts=root=UUID=root ro",
                         kConsoles, "\n"));
  std::string full = "kernelopts=root=/dev/sda1 " + std::string(990, 'x') + "\n";
  full.resize(1024, '#');
  EXPECT_EQ(Edit(BootSyntax::kEnvironment, full), full)
      << "no room: left alone, verification tells";
}

class BootLoaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto root = GuestRoot::Open(dir_.path());
    ASSERT_OK(root);
    root_.emplace(*std::move(root));
  }
  void Put(const std::string& path, const std::string& content) {
    ASSERT_OK(MakeDirs(std::filesystem::path(dir_ / path).parent_path().string()));
    ASSERT_OK(WriteFileAtomically(dir_ / path, content));
  }
  std::string Get(const std::string& path) { return ReadFile(dir_ / path).value_or("(none)"); }
  TempDir dir_;
  std::optional<GuestRoot> root_;
};

TEST_F(BootLoaderTest, AFedoraWithEntriesInBoot) {
  Put("boot/grub2/grub.cfg", "blscfg\n");
  Put("boot/loader/entries/a.conf", "options root=/dev/sda1 ro\n");
  Put("etc/kernel/cmdline", "root=/dev/sda1 ro\n");
  Put("etc/default/grub", "GRUB_CMDLINE_LINUX=\"rhgb\"\n");
  EXPECT_THAT(FindBootLoaders(*root_), ElementsAre("grub2"));
  ASSERT_OK(ConvertBootLoaders(*root_, Stable));
  EXPECT_THAT(Get("boot/loader/entries/a.conf"), HasSubstr("root=UUID=root"));
  EXPECT_THAT(Get("etc/kernel/cmdline"), HasSubstr("root=UUID=root"));
  EXPECT_THAT(Get("etc/default/grub"), HasSubstr("rhgb console=tty0"));
  EXPECT_OK(VerifyBootLoaders(*root_));
}

TEST_F(BootLoaderTest, ASystemdBootOnItsPartition) {
  Put("boot/efi/loader/entries/arch.conf", "options root=/dev/sda1 rw\n");
  EXPECT_THAT(FindBootLoaders(*root_), ElementsAre("systemd-boot"));
  ASSERT_OK(ConvertBootLoaders(*root_, Stable));
  EXPECT_THAT(Get("boot/efi/loader/entries/arch.conf"), HasSubstr("root=UUID=root"));
}

TEST_F(BootLoaderTest, MenuLstIsOneFileUnderTwoNames) {
  Put("boot/grub/grub.conf", "kernel /vmlinuz root=/dev/sda1\n");
  std::filesystem::create_symlink("grub.conf", dir_ / "boot/grub/menu.lst");
  EXPECT_THAT(FindBootLoaders(*root_), ElementsAre("grub-legacy"));
  ASSERT_OK(ConvertBootLoaders(*root_, Stable));
  EXPECT_EQ(root_->changes().size(), 1u);
}

TEST_F(BootLoaderTest, ARootThatDoesNotTravelIsNamed) {
  Put("boot/grub/grub.cfg", "linux /v root=/dev/sdz9 ro\n");
  ASSERT_OK(ConvertBootLoaders(*root_, Stable));
  EXPECT_THAT(VerifyBootLoaders(*root_),
              StatusIs(absl::StatusCode::kFailedPrecondition, "/boot/grub/grub.cfg boots from"));
}

TEST_F(BootLoaderTest, NoneIsNone) { EXPECT_THAT(FindBootLoaders(*root_), ElementsAre()); }

}  // namespace
}  // namespace godwit::convert
