// How distributions name kernels and their initramfs images.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/common/base/file.h"
#include "services/conversion/converter/initramfs.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert {
namespace {

using ::godwit::testing::TempDir;

class KernelsTest : public ::testing::Test {
 protected:
  void Put(const std::string& path, const std::string& text = "") {
    ASSERT_OK(MakeDirs(dir_ / path.substr(0, path.rfind('/'))));
    ASSERT_OK(WriteFileAtomically(dir_ / path, text));
  }
  // "release image release image ..."
  std::string Found() {
    const auto root = GuestRoot::Open(dir_.path());
    EXPECT_OK(root);
    std::string text;
    for (const GuestKernel& kernel : FindKernels(*root))
      text += kernel.release + " " + kernel.initramfs + " ";
    return text;
  }
  TempDir dir_;
};

TEST_F(KernelsTest, DebianRedHatAndSuse) {
  for (const char* release : {"6.1.0-10-amd64", "6.1.0-9-amd64", "5.14.0-362.el9.x86_64",
                              "6.4.0-150600-default", "2.6.18-398.el5"}) {
    Put(std::string("boot/vmlinuz-") + release);
    Put(std::string("lib/modules/") + release + "/modules.dep");
  }
  Put("boot/initrd.img-6.1.0-10-amd64");
  Put("boot/initrd.img-6.1.0-9-amd64");
  Put("boot/initramfs-5.14.0-362.el9.x86_64.img");
  Put("boot/initrd-6.4.0-150600-default");
  Put("boot/initrd-2.6.18-398.el5.img");
  EXPECT_EQ(Found(),
            "2.6.18-398.el5 boot/initrd-2.6.18-398.el5.img "
            "5.14.0-362.el9.x86_64 boot/initramfs-5.14.0-362.el9.x86_64.img "
            "6.1.0-9-amd64 boot/initrd.img-6.1.0-9-amd64 "
            "6.1.0-10-amd64 boot/initrd.img-6.1.0-10-amd64 "
            "6.4.0-150600-default boot/initrd-6.4.0-150600-default ");
}

TEST_F(KernelsTest, ArchNamesThePackage) {
  Put("boot/vmlinuz-linux");
  Put("boot/vmlinuz-linux-lts");
  Put("boot/initramfs-linux.img");
  Put("boot/initramfs-linux-lts.img");
  Put("usr/lib/modules/6.9.1-arch1-1/modules.dep");
  Put("usr/lib/modules/6.9.1-arch1-1/pkgbase", "linux\n");
  Put("usr/lib/modules/6.6.30-1-lts/modules.dep");
  Put("usr/lib/modules/6.6.30-1-lts/pkgbase", "linux-lts\n");
  EXPECT_EQ(Found(),
            "6.6.30-1-lts boot/initramfs-linux-lts.img 6.9.1-arch1-1 boot/initramfs-linux.img ");
}

TEST_F(KernelsTest, AlpineNamesTheFlavour) {
  Put("boot/vmlinuz-lts");
  Put("boot/initramfs-lts");
  Put("lib/modules/6.6.30-0-lts/modules.dep");
  EXPECT_EQ(Found(), "6.6.30-0-lts boot/initramfs-lts ");
}

TEST_F(KernelsTest, AKernelWithoutModulesIsNone) {
  Put("boot/vmlinuz-9.9");
  EXPECT_EQ(Found(), "");
}

}  // namespace
}  // namespace godwit::convert
