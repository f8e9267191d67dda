// godwit-replication-worker keys, and what docs/encryption.md tells to do with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/replication/worker/store/file_store.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::worker {
namespace {

using ::godwit::testing::Process;
using ::godwit::testing::Program;
using ::godwit::testing::TempDir;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kServer[] = "s-0123456789abcdef0";
constexpr std::size_t kBytes = 4 << 20;

class KeyCommandsTest : public ::testing::Test {
 protected:
  // A shell command in which $worker is the program with its keys and $dir the folder.
  int Shell(const std::string& command) {
    const std::string text =
        absl::StrCat("set -e; dir='", dir_.path(), "'; worker='", Program(kProgram),
                     " --master-key-file ", keys_, "'\n", command);
    auto process = Process::Start({.command = {"/bin/bash", "-c", text}, .log = dir_ / "log"});
    const auto status = process->Wait(absl::Seconds(60));
    output_ = process->Log();
    return status.ok() && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
  }
  std::string Clone() {
    auto store = store::OpenFileStore(dir_ / "store", keys_);
    auto group = (*store)->OpenEncryptedGroup(
        kServer, 1, {{.disk_id = "d-0123456789abcdef0", .size_bytes = kBytes}});
    block::AlignedBuffer buffer(block::kBlockSize);
    std::fill(buffer.bytes().begin(), buffer.bytes().end(), 'k');
    EXPECT_OK((*group)->Write(0, 5, buffer.bytes()));
    EXPECT_OK((*group)->Commit({.epoch = 1, .consistency = 1}).status());
    return (*(*group)->CreateClone("c-0123456789abcdef0", 1))[0].path;
  }
  static constexpr char kProgram[] = "godwit-replication-worker";
  TempDir dir_;
  const std::string keys_ = dir_ / "master.keys";
  std::string output_;
};

TEST_F(KeyCommandsTest, RotationAsTheDocumentSays) {
  ASSERT_EQ(Shell("$worker keys generate"), 0) << output_;
  Clone();
  ASSERT_EQ(Shell("$worker keys list --store $dir/store"), 0) << output_;
  EXPECT_THAT(output_, HasSubstr("current, 1 groups here"));
  ASSERT_EQ(Shell("$worker keys generate"), 0) << output_;
  ASSERT_EQ(Shell("$worker keys list --store $dir/store"), 0) << output_;
  EXPECT_THAT(output_, HasSubstr("older master key"));
  EXPECT_THAT(output_, HasSubstr("current, 0 groups here"));
  ASSERT_EQ(Shell("$worker keys rewrap --store $dir/store"), 0) << output_;
  EXPECT_THAT(output_, HasSubstr("rewrapped by mk-"));
  ASSERT_EQ(Shell("$worker keys list --store $dir/store"), 0) << output_;
  EXPECT_THAT(output_, HasSubstr("current, 1 groups here"));
  EXPECT_THAT(output_, Not(HasSubstr("older")));
  // The old key's line is the last.
  ASSERT_EQ(Shell("sed -i '$d' $dir/master.keys; $worker keys list --store $dir/store"), 0)
      << output_;
  ASSERT_EQ(Shell("rm $dir/master.keys; $worker keys generate"), 0);
  EXPECT_NE(Shell("$worker keys list --store $dir/store"), 0);
  EXPECT_THAT(output_, HasSubstr("not in the master key file"));
  EXPECT_NE(Shell("$worker keys rewrap --store $dir/store"), 0);
}

TEST_F(KeyCommandsTest, AnImageIsOpenedByHandAsTheDocumentSays) {
  ASSERT_EQ(Shell("$worker keys generate"), 0) << output_;
  const std::string clone = Clone();
  ASSERT_EQ(Shell(absl::StrCat(
                "image=", clone,
                "\ncd /; qemu-img convert --object secret,id=godwit,file=<($worker keys passphrase "
                "\"$image\") \"$($worker keys url \"$image\")\" -O raw $dir/disk.raw")),
            0)
      << output_;
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(dir_ / "disk.raw", kBytes + 1));
  std::string expected(kBytes, '\0');
  std::fill_n(expected.begin() + 5 * block::kBlockSize, block::kBlockSize, 'k');
  EXPECT_TRUE(bytes == expected);
}

TEST_F(KeyCommandsTest, WrongWordsAreAnswered) {
  EXPECT_EQ(Shell("$worker keys"), 2);
  EXPECT_THAT(output_, HasSubstr("keys rewrap"));
  EXPECT_EQ(Shell("$worker nonsense"), 2);
  EXPECT_THAT(output_, HasSubstr("unknown argument nonsense"));
  EXPECT_EQ(Shell("$worker keys list --store $dir/none"), 2);
  EXPECT_THAT(output_, HasSubstr("master key file"));
}

}  // namespace
}  // namespace godwit::worker
