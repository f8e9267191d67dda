// Real file systems that mke2fs and debugfs write; e2fsck judges what is left of them.
#include "services/conversion/converter/settle_ext.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/file.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::convert {
namespace {

using ::godwit::testing::Process;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;

constexpr std::int64_t kStamp = 1700000000;

class SettleExtTest : public ::testing::Test {
 protected:
  int Shell(const std::string& line) {
    auto process = Process::Start({.command = {"/bin/sh", "-c", line}, .log = dir_ / "log"});
    EXPECT_OK(process.status());
    const auto status = process->Wait(absl::Seconds(60));
    EXPECT_OK(status.status());
    log_ = process->Log();
    return WIFEXITED(*status) ? WEXITSTATUS(*status) : 128;
  }
  // A volume of a fixed age, the same every time.
  std::string Volume(const std::string& name, const std::string& options) {
    const std::string path = dir_ / name;
    EXPECT_EQ(Shell(absl::StrCat("rm -f ", path,
                                 "; E2FSPROGS_FAKE_TIME=1600000000 /sbin/mkfs.ext4 -q -F ", options,
                                 " -U 6d696e69-0000-4000-8000-000000000001 -E "
                                 "hash_seed=6d696e69-0000-4000-8000-000000000002,root_owner=0:0 ",
                                 path, " 16M")),
              0)
        << log_;
    return path;
  }
  // What a conversion does, with times and generations of its own: files, a folder, a file in many
  // pieces, one that is deleted, and something in the journal.
  void Use(const std::string& path, const std::string& generation, const std::string& seconds) {
    ASSERT_EQ(
        Shell(absl::StrCat(
            "cd ", dir_.path(), " && head -c 300000 /dev/zero | tr '\\0' x >content && { printf '",
            "write content pieces\\nmkdir folder\\nwrite content folder/gone\\n",
            "write content last\\nrm folder/gone\\n'; for i in $(seq 1 2 60); do echo punch pieces "
            "$i $i; done; ",
            "for f in pieces folder; do echo set_inode_field $f generation ", generation,
            "; done; } >script && E2FSPROGS_FAKE_TIME=", seconds, " /sbin/debugfs -w -f script ",
            path, " >debugfs.log 2>&1 && { E2FSCK_TIME=", seconds, " /sbin/e2fsck -fy ", path,
            " || [ $? -le 1 ]; } && printf junk | dd of=", path,
            " conv=notrunc status=none bs=1024 seek=$(/sbin/debugfs -R 'bmap <8> 7' ", path,
            " 2>/dev/null)")),
        0)
        << log_;
  }
  TempDir dir_;
  std::string log_;
};

TEST_F(SettleExtTest, TwoThatWereUsedAlikeAtOtherTimesBecomeEqual) {
  for (const char* options :
       {"-b 1024", "-b 1024 -I 128", "-b 1024 -O ^metadata_csum,^extent,^64bit",
        "-b 1024 -O ^has_journal"}) {
    const std::string first = Volume("first", options), second = Volume("second", options);
    ASSERT_OK_AND_ASSIGN(const std::string fresh, ReadFile(first));
    ASSERT_TRUE(fresh == *ReadFile(second)) << "mke2fs itself";
    ASSERT_OK_AND_ASSIGN(const ExtState before, LookAtExt(first, absl::ToUnixSeconds(absl::Now())));
    EXPECT_EQ(before.newest, 1600000000) << options;
    Use(first, "11", "1650000010");
    Use(second, "22", "1650000020");
    ASSERT_FALSE(*ReadFile(first) == *ReadFile(second));
    for (const std::string& path : {first, second}) {
      ASSERT_OK(SettleExt(path, before, 1650000000, 1650000030, kStamp));
      EXPECT_EQ(Shell("/sbin/e2fsck -fn " + path), 0) << options << log_;
    }
    ASSERT_OK_AND_ASSIGN(const std::string settled, ReadFile(first));
    EXPECT_TRUE(settled == *ReadFile(second)) << options;
    ASSERT_OK(SettleExt(first, before, 1650000000, 1650000030, kStamp));
    EXPECT_TRUE(settled == *ReadFile(first)) << options << ", once more";
  }
}

TEST_F(SettleExtTest, WhatIsNoneOrNotCleanIsRefused) {
  const std::string path = Volume("volume", "-b 1024");
  ASSERT_OK_AND_ASSIGN(const ExtState before, LookAtExt(path, 1700000000));
  EXPECT_EQ(Shell(absl::StrCat("/sbin/debugfs -w -R 'set_super_value state 0' ", path)), 0);
  EXPECT_THAT(SettleExt(path, before, 1, 2, 3),
              StatusIs(absl::StatusCode::kFailedPrecondition, "not clean"));
  ASSERT_OK(WriteFileAtomically(path, std::string(1 << 20, 'x')));
  EXPECT_THAT(LookAtExt(path, 1700000000).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "opening"));
}

}  // namespace
}  // namespace godwit::convert
