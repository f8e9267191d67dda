// Which drivers of a folder a guest gets.
#include "services/conversion/converter/windows/drivers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "tests/support/phony_windows.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert::windows {
namespace {

using ::godwit::testing::MakePhonyDrivers;
using ::godwit::testing::PhonyInf;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;

class DriversTest : public ::testing::Test {
 protected:
  // Folder of the driver `name` that is chosen; "" when none is.
  std::string Chosen(const std::string& name, const Version& version) {
    const absl::StatusOr<GuestRoot> root = GuestRoot::Open(dir_.path());
    const absl::StatusOr<DriverChoice> choice = ChooseDrivers(*root, version);
    EXPECT_OK(choice.status());
    for (const DriverPackage& package : choice->packages) {
      if (package.name == name) return package.folder;
    }
    return "";
  }
  void Put(const std::string& path, const std::string& content) {
    ASSERT_OK(MakeDirs(std::filesystem::path(dir_ / path).parent_path().string()));
    ASSERT_OK(WriteFileAtomically(dir_ / path, content));
  }

  TempDir dir_;
};

TEST_F(DriversTest, TheGuestsOwnVersionThenOlderOnes) {
  ASSERT_OK(MakePhonyDrivers(dir_.path()));
  const auto windows = [](int major, int minor, int build, bool server,
                          const char* architecture = "x86_64") {
    return Version{.major = major,
                   .minor = minor,
                   .build = build,
                   .server = server,
                   .architecture = architecture};
  };
  EXPECT_EQ(Chosen("viostor", windows(6, 1, 7601, false, "i386")), "viostor/w7/x86");
  EXPECT_EQ(Chosen("viostor", windows(6, 1, 7601, false)), "viostor/w7/amd64");
  EXPECT_EQ(Chosen("viostor", windows(6, 1, 7601, true)), "viostor/2k8R2/amd64");
  EXPECT_EQ(Chosen("viostor", windows(6, 3, 9600, true)), "viostor/2k12R2/amd64");
  EXPECT_EQ(Chosen("viostor", windows(10, 0, 19045, false)), "viostor/w10/amd64");
  EXPECT_EQ(Chosen("viostor", windows(10, 0, 22631, false)), "viostor/w11/amd64");
  EXPECT_EQ(Chosen("vioscsi", windows(10, 0, 14393, true)), "vioscsi/2k16/amd64");
  EXPECT_EQ(Chosen("netkvm", windows(10, 0, 17763, true)), "NetKVM/2k19/amd64");
  EXPECT_EQ(Chosen("viostor", windows(10, 0, 20348, true)), "viostor/2k22/amd64");
  EXPECT_EQ(Chosen("viostor", windows(10, 0, 26100, true)), "viostor/2k25/amd64");
  EXPECT_EQ(Chosen("viostor", windows(10, 0, 22631, false, "aarch64")), "");
  std::filesystem::remove_all(dir_ / "viostor/2k25");
  EXPECT_EQ(Chosen("viostor", windows(10, 0, 26100, true)), "viostor/2k22/amd64");
  std::filesystem::remove_all(dir_ / "viostor/w11");
  EXPECT_EQ(Chosen("viostor", windows(10, 0, 22631, false)), "viostor/w10/amd64");
}

TEST_F(DriversTest, WhereThePathSaysNothingTheInfDecides) {
  const Version version{.major = 10, .build = 17763, .server = true, .architecture = "x86_64"};
  Put("old/viostor.inf", PhonyInf("viostor", "NTamd64.10.0", "9.0.0.0"));
  Put("old/viostor.sys", "old");
  Put("new/viostor.inf", PhonyInf("viostor", "NTamd64.10.0", "10.0.0.0"));
  Put("new/VIOSTOR.SYS", "new");
  Put("newest/viostor.inf", PhonyInf("viostor", "NTamd64.10.0...20348", "11.0.0.0"));
  Put("newest/viostor.sys", "newest");
  EXPECT_EQ(Chosen("viostor", version), "new") << "9 is less than 10, 20348 another Windows";
  Put("amd64/2k19/viostor.inf", PhonyInf("viostor", "NTamd64.10.0", "8.0.0.0"));
  Put("amd64/2k19/viostor.sys", "own");
  EXPECT_EQ(Chosen("viostor", version), "amd64/2k19");
}

TEST_F(DriversTest, WhatIsNoDriverIsNamedAndLeftOut) {
  Put("a/broken.inf", "not an inf");
  Put("b/viostor.inf", PhonyInf("viostor", "NTamd64", "1.0"));
  ASSERT_OK_AND_ASSIGN(const GuestRoot root, GuestRoot::Open(dir_.path()));
  ASSERT_OK_AND_ASSIGN(
      const DriverChoice choice,
      ChooseDrivers(root, {.major = 10, .build = 19045, .architecture = "x86_64"}));
  EXPECT_TRUE(choice.packages.empty());
  ASSERT_EQ(choice.skipped.size(), 2u);
  EXPECT_THAT(choice.skipped[1], ::testing::HasSubstr("viostor.sys is not beside it"));
}

TEST_F(DriversTest, AFolderThatIsTooLargeIsRefused) {
  Put("viostor.inf", PhonyInf("viostor", "NTamd64", "1.0"));
  Put("viostor.sys", std::string((64 << 20) - 100, 'x'));
  ASSERT_OK_AND_ASSIGN(const GuestRoot root, GuestRoot::Open(dir_.path()));
  EXPECT_THAT(ChooseDrivers(root, {.major = 10, .build = 19045, .architecture = "x86_64"}).status(),
              StatusIs(absl::StatusCode::kResourceExhausted, "64 MiB"));
}

}  // namespace
}  // namespace godwit::convert::windows
