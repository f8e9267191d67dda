// Real file systems that mkfs.vfat and mtools write; fsck.fat judges what is left of them.
#include "services/conversion/converter/settle_fat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert {
namespace {

using ::godwit::testing::Process;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;
using ::testing::HasSubstr;

constexpr std::size_t kLimit = 64 << 20;

class SettleFatTest : public ::testing::Test {
 protected:
  std::string Shell(const std::string& line) {
    auto process = Process::Start({.command = {"/bin/sh", "-ec", line}, .log = dir_ / "log"});
    EXPECT_OK(process.status());
    const auto status = process->Wait(absl::Seconds(60));
    EXPECT_TRUE(status.ok() && *status == 0) << line << process->Log();
    return process->Log();
  }
  // Files that are there before (from 2020), then some from `seconds` on.
  std::string Volume(const std::string& name, const std::string& format, int seconds) {
    const std::string path = dir_ / name;
    Shell(absl::StrCat("export TZ=UTC MTOOLS_SKIP_CHECK=1 SOURCE_DATE_EPOCH=1580000000; cd ",
                       dir_.path(), "; rm -f ", name, "; mkfs.vfat --invariant ", format, " -C ",
                       name, " 40000 >/dev/null; head -c 100000 /dev/zero >content; mcopy -i ",
                       name, " content ::old; export SOURCE_DATE_EPOCH=", seconds, "; mmd -i ",
                       name, " ::EFI ::EFI/BOOT; mcopy -i ", name,
                       " content '::EFI/BOOT/a long name.efi'; mcopy -i ", name,
                       " content ::gone; mdel -i ", name, " ::gone"));
    return path;
  }
  TempDir dir_;
};

TEST_F(SettleFatTest, TimesOfTheSpanBecomeOneAndOthersStay) {
  for (const char* format : {"-F 12 -s 32", "-F 16 -s 4", "-F 32 -s 1"}) {
    const std::string first = Volume("first", format, 1650000011);
    const std::string second = Volume("second", format, 1650000017);
    ASSERT_FALSE(*ReadFile(first, kLimit) == *ReadFile(second, kLimit));
    for (const std::string& path : {first, second}) {
      ASSERT_OK(SettleFat(path, 1650000010, 1650000020, 1700000000));
      Shell("/sbin/fsck.fat -n " + path);
    }
    EXPECT_TRUE(*ReadFile(first, kLimit) == *ReadFile(second, kLimit)) << format;
    const std::string listing = Shell("TZ=UTC mdir -i " + first + " ::");
    EXPECT_THAT(listing, HasSubstr("2023-11-14  22:13")) << "1700000000";
    EXPECT_THAT(listing, HasSubstr("2020-01-26")) << "the old one";
  }
}

TEST_F(SettleFatTest, CirclesAndLiesEnd) {
  const std::string path = Volume("circle", "-F 32 -s 1", 1650000011);
  ASSERT_OK_AND_ASSIGN(std::string bytes, ReadFile(path, kLimit));
  // The root's first cluster goes on in itself.
  const std::size_t table = 512u * static_cast<unsigned char>(bytes[14]);
  bytes.replace(table + 8, 4, std::string("\2\0\0\0", 4));
  ASSERT_OK(WriteFileAtomically(path, bytes));
  EXPECT_OK(SettleFat(path, 1, 2, 3));
  bytes.replace(11, 2, "\xff\xff");  // odd sectors
  ASSERT_OK(WriteFileAtomically(path, bytes));
  EXPECT_THAT(SettleFat(path, 1, 2, 3), StatusIs(absl::StatusCode::kFailedPrecondition, "no FAT"));
}

}  // namespace
}  // namespace godwit::convert
