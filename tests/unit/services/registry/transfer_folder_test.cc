#include "services/registry/storage/transfer_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::registry::storage {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;
namespace fs = std::filesystem;

class TransferFolderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(root_ + "/bucket/sub");
    ASSERT_OK(WriteFileAtomically(dir_ / "secret.csv", "secret"));
    ASSERT_OK(WriteFileAtomically(root_ + "/bucket/in.csv", "a,b\n"));
  }
  TempDir dir_;
  const std::string root_ = dir_ / "transfer";
  const TransferFolder folder_{root_};
};

TEST_F(TransferFolderTest, ReadsAndWrites) {
  ASSERT_OK_AND_ASSIGN(const std::string read, folder_.Read("bucket", "in.csv", 100));
  EXPECT_EQ(read, "a,b\n");
  ASSERT_OK(folder_.Write("bucket", "new/deep/out.csv", "w", "one"));
  ASSERT_OK(folder_.Write("bucket", "new/deep/out.csv", "w", "two"));
  EXPECT_EQ(folder_.Read("bucket", "new/deep/out.csv", 100).value_or(""), "two");
  // Nothing is left beside it.
  EXPECT_EQ(
      std::distance(fs::directory_iterator(root_ + "/bucket/new/deep"), fs::directory_iterator()),
      1);
  EXPECT_THAT(folder_.Read("bucket", "in.csv", 3), StatusIs(absl::StatusCode::kOutOfRange, "3"));
  EXPECT_OK(folder_.CheckBucket("bucket"));
}

TEST_F(TransferFolderTest, WhatIsNotThere) {
  EXPECT_THAT(folder_.Read("bucket", "no.csv", 9), StatusIs(absl::StatusCode::kNotFound, "no.csv"));
  EXPECT_THAT(folder_.Read("no", "in.csv", 9), StatusIs(absl::StatusCode::kNotFound, "bucket no"));
  EXPECT_THAT(folder_.Write("no", "in.csv", "w", ""), StatusIs(absl::StatusCode::kNotFound, "no"));
  EXPECT_THAT(folder_.CheckBucket("no"), StatusIs(absl::StatusCode::kNotFound, "no"));
  EXPECT_FALSE(fs::exists(root_ + "/no"));
  EXPECT_THAT(TransferFolder("").Read("bucket", "in.csv", 9),
              StatusIs(absl::StatusCode::kFailedPrecondition, "--transfer-dir"));
}

TEST_F(TransferFolderTest, PathsThatWouldLeaveIt) {
  for (const auto& [bucket, key] : {std::pair<std::string, std::string>{"..", "secret.csv"},
                                    {".", "bucket/in.csv"},
                                    {"", "in.csv"},
                                    {"a/b", "in.csv"},
                                    {"bucket", "../../secret.csv"},
                                    {"bucket", "sub/../in.csv"},
                                    {"bucket", "./in.csv"},
                                    {"bucket", "/in.csv"},
                                    {"bucket", "sub//in.csv"},
                                    {"bucket", "...//x.csv"},
                                    {"bucket", ""},
                                    {"bucket", "in.txt"},
                                    {"bucket", std::string("in\0.csv", 7)},
                                    {"bucket", "a\nb.csv"},
                                    {"bucket", std::string(2000, 'a') + ".csv"},
                                    {"bucket", std::string(300, 'a') + ".csv"},
                                    {"bucket", "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17.csv"}}) {
    EXPECT_THAT(folder_.Read(bucket, key, 100), StatusIs(absl::StatusCode::kInvalidArgument, ""))
        << bucket << " " << key;
    EXPECT_THAT(folder_.Write(bucket, key, "w", "x"),
                StatusIs(absl::StatusCode::kInvalidArgument, ""));
  }
  EXPECT_EQ(ReadFile(dir_ / "secret.csv").value_or(""), "secret");
}

TEST_F(TransferFolderTest, LinksAndOtherThingsAreNotFollowed) {
  fs::create_symlink(dir_ / "secret.csv", root_ + "/bucket/link.csv");
  fs::create_directory_symlink(dir_.path(), root_ + "/bucket/out");
  fs::create_directory_symlink(dir_.path(), root_ + "/linked");
  ASSERT_EQ(mkfifo((root_ + "/bucket/pipe.csv").c_str(), 0600), 0);
  fs::create_directories(root_ + "/bucket/folder.csv");
  const auto refused = StatusIs(absl::StatusCode::kFailedPrecondition, "");
  EXPECT_THAT(folder_.Read("bucket", "link.csv", 100), refused);
  EXPECT_THAT(folder_.Read("bucket", "out/secret.csv", 100), refused);
  EXPECT_THAT(folder_.Read("linked", "secret.csv", 100), refused);
  EXPECT_THAT(folder_.Read("bucket", "pipe.csv", 100), refused);
  EXPECT_THAT(folder_.Read("bucket", "folder.csv", 100), refused);
  EXPECT_THAT(folder_.Read("bucket", "in.csv/x.csv", 100), refused);
  EXPECT_THAT(folder_.Write("bucket", "out/secret.csv", "w", "x"), refused);
  EXPECT_THAT(folder_.Write("linked", "secret.csv", "w", "x"), refused);
  EXPECT_THAT(folder_.Write("bucket", "folder.csv", "w", "x"), refused);
  // The link itself is replaced.
  ASSERT_OK(folder_.Write("bucket", "link.csv", "w", "mine"));
  EXPECT_FALSE(fs::is_symlink(root_ + "/bucket/link.csv"));
  EXPECT_EQ(ReadFile(dir_ / "secret.csv").value_or(""), "secret");
}

}  // namespace
}  // namespace godwit::registry::storage
