// Encrypted images that we make, and the chains that are read before QEMU is told of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/crypt/encrypted_image.h"
#include "services/common/crypt/qemu_image.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::crypt {
namespace {

using ::godwit::testing::Process;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;

class ImageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(AddMasterKey(keys_).status());
    ASSERT_OK_AND_ASSIGN(const MasterKeys keys, MasterKeys::Load(keys_));
    ASSERT_OK_AND_ASSIGN(key_, GroupKey::LoadOrMake(dir_ / "", keys));
    ASSERT_OK(WriteFileAtomically(dir_ / "passphrase", key_->passphrase().bytes()));
  }
  // "": the tool was content; else what it said.
  std::string Run(std::vector<std::string> command) {
    command.insert(command.begin() + (command[0].ends_with("qemu-img") ? 2 : 1),
                   {"--object", absl::StrCat("secret,id=godwit,file=", dir_ / "passphrase")});
    auto process = Process::Start({.command = command, .log = dir_ / "log"});
    const auto status = process->Wait(absl::Seconds(60));
    return status.ok() && *status == 0 ? "" : absl::StrCat("failed: ", process->Log());
  }
  std::string Plain(const std::vector<std::string>& create) {
    auto process = Process::Start({.command = create, .log = dir_ / "log"});
    return *process->Wait(absl::Seconds(60)) == 0 ? "" : process->Log();
  }
  TempDir dir_;
  const std::string keys_ = dir_ / "master.keys";
  GroupKeyPtr key_;
};

TEST_F(ImageTest, QemuFindsNothingWrongInWhatWeMake) {
  for (const std::uint64_t bytes : {std::uint64_t{512}, std::uint64_t{512} << 20,
                                    (std::uint64_t{512} << 20) + 512, std::uint64_t{64} << 40}) {
    const std::string path = dir_ / absl::StrCat("i", bytes, ".qcow2");
    ASSERT_OK(CreateEncryptedImage(path, bytes, "", *key_));
    ASSERT_OK_AND_ASSIGN(const QemuImage image, QemuImage::Open(path, keys_));
    EXPECT_TRUE(image.encrypted());
    EXPECT_EQ(image.chain()[0].size_bytes, bytes);
    EXPECT_EQ(Run({"/usr/bin/qemu-img", "check", image.Url()}), "");
    const std::string last = absl::StrCat(bytes - 512, " 512");
    EXPECT_EQ(Run({"/usr/bin/qemu-io", "-c", "write -P 7 " + last, "-c", "read -P 7 " + last,
                   image.Url()}),
              "");
    EXPECT_EQ(Run({"/usr/bin/qemu-img", "check", image.Url()}), "");
    EXPECT_THAT(CreateEncryptedImage(path, bytes, "", *key_),
                StatusIs(absl::StatusCode::kAlreadyExists, path));
  }
}

TEST_F(ImageTest, AChainIsNamedToItsEnd) {
  const std::string raw = dir_ / "base.img";
  ASSERT_OK(WriteFileAtomically(raw, std::string(1 << 20, 'r')));
  ASSERT_EQ(Plain({"/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.img", "-F",
                   "raw", dir_ / "middle,1.qcow2"}),
            "");
  ASSERT_OK(CreateEncryptedImage(dir_ / "top.qcow2", 1 << 20, "middle,1.qcow2", *key_));
  ASSERT_OK_AND_ASSIGN(const QemuImage image, QemuImage::Open(dir_ / "top.qcow2", keys_));
  ASSERT_EQ(image.chain().size(), 3u);
  EXPECT_EQ(image.chain()[2].path, raw);
  EXPECT_FALSE(image.chain()[1].encrypted);
  EXPECT_EQ(Run({"/usr/bin/qemu-io", "-c", "read -P 0x72 0 1M", image.Url()}), "");
}

TEST_F(ImageTest, AChainStaysInTheFileSystem) {
  for (const char* const backing : {"nbd://host/x", "json:{}", "fat:/etc"}) {
    const std::string path = dir_ / "bad.qcow2";
    ASSERT_EQ(Plain({"/usr/bin/qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", backing, "-F",
                     "raw", path, "1M"}),
              "");
    EXPECT_THAT(QemuImage::Open(path, keys_).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, "neither"));
  }
  EXPECT_THAT(QemuImage::Open(keys_, keys_).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "not a qcow2"));
  EXPECT_THAT(QemuImage::Open(dir_ / "none", keys_).status(),
              StatusIs(absl::StatusCode::kNotFound, "none"));
}

TEST_F(ImageTest, WithoutAKeyItSaysWhatIsMissing) {
  ASSERT_OK(CreateEncryptedImage(dir_ / "top.qcow2", 1 << 20, "", *key_));
  EXPECT_THAT(QemuImage::Open(dir_ / "top.qcow2", "").status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "--master-key-file"));
  ASSERT_EQ(unlink((dir_ / kGroupKeyFile).c_str()), 0);
  EXPECT_THAT(QemuImage::Open(dir_ / "top.qcow2", keys_).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, kGroupKeyFile));
}

}  // namespace
}  // namespace godwit::crypt
