// Master keys, group keys: made, wrapped, rotated, lost, damaged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "services/common/base/file.h"
#include "services/common/crypt/group_key.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::crypt {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;

TEST(Secret, IsUnwrappedOnlyByItsKeyAndForItsPurpose) {
  ASSERT_OK_AND_ASSIGN(const Secret key, RandomSecret(32));
  ASSERT_OK_AND_ASSIGN(const Secret other, RandomSecret(32));
  ASSERT_OK_AND_ASSIGN(const Secret secret, RandomSecret(64));
  ASSERT_OK_AND_ASSIGN(const std::string wrapped, Wrap(key, "purpose", secret));
  EXPECT_EQ(wrapped.size(), secret.size() + kWrapBytes);
  ASSERT_OK_AND_ASSIGN(const Secret back, Unwrap(key, "purpose", wrapped));
  EXPECT_EQ(back.bytes(), secret.bytes());
  EXPECT_THAT(Unwrap(other, "purpose", wrapped).status(),
              StatusIs(absl::StatusCode::kDataLoss, ""));
  EXPECT_THAT(Unwrap(key, "another", wrapped).status(), StatusIs(absl::StatusCode::kDataLoss, ""));
  for (std::size_t i = 0; i < wrapped.size(); ++i) {
    std::string damaged = wrapped;
    damaged[i] ^= 1;
    EXPECT_THAT(Unwrap(key, "purpose", damaged).status(),
                StatusIs(absl::StatusCode::kDataLoss, ""));
  }
  EXPECT_THAT(Unwrap(key, "purpose", "short").status(), StatusIs(absl::StatusCode::kDataLoss, ""));
}

// RFC 5869, test case 1, has a salt; with an empty one and this input HKDF is test case 3.
TEST(Secret, DerivesAsRfc5869Says) {
  ASSERT_OK_AND_ASSIGN(const Secret derived, DeriveKey(Secret(std::string(22, '\x0b')), ""));
  std::string hex;
  for (const unsigned char c : derived.bytes()) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex.push_back(kDigits[c >> 4]);
    hex.push_back(kDigits[c & 15]);
  }
  EXPECT_EQ(hex, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

class KeyFileTest : public ::testing::Test {
 protected:
  absl::Status Load(const std::string& text, mode_t mode = 0600) {
    if (const absl::Status written = WriteFileAtomically(path_, text, mode); !written.ok())
      return written;
    return MasterKeys::Load(path_).status();
  }
  TempDir dir_;
  const std::string path_ = dir_ / "master";
};

TEST_F(KeyFileTest, TheNewestKeyIsTheFirst) {
  ASSERT_OK_AND_ASSIGN(const std::string first, AddMasterKey(path_));
  ASSERT_OK_AND_ASSIGN(const std::string second, AddMasterKey(path_));
  ASSERT_OK_AND_ASSIGN(const MasterKeys keys, MasterKeys::Load(path_));
  EXPECT_EQ(keys.current().id, second);
  ASSERT_NE(keys.Find(first), nullptr);
  EXPECT_EQ(keys.Find("mk-0000000000000000"), nullptr);
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(KeyFileTest, SaysWhatIsWrong) {
  EXPECT_THAT(MasterKeys::Load(path_).status(),
              StatusIs(absl::StatusCode::kNotFound, "master key"));
  EXPECT_THAT(Load(""), StatusIs(absl::StatusCode::kInvalidArgument, "no key in it"));
  EXPECT_THAT(Load("# only a comment\n"), StatusIs(absl::StatusCode::kInvalidArgument, "no key"));
  EXPECT_THAT(Load("\nmk-1\n"), StatusIs(absl::StatusCode::kInvalidArgument, "line 2"));
  EXPECT_THAT(Load("mk-1 zz\n"), StatusIs(absl::StatusCode::kInvalidArgument, "64 hexadecimal"));
  EXPECT_THAT(Load("mk-1 " + std::string(62, 'a')),
              StatusIs(absl::StatusCode::kInvalidArgument, "64 hexadecimal"));
  EXPECT_THAT(Load("mk-0123456789abcdef " + std::string(64, 'a')),
              StatusIs(absl::StatusCode::kInvalidArgument, "does not belong"));
  ASSERT_EQ(unlink(path_.c_str()), 0);
  ASSERT_OK(AddMasterKey(path_).status());
  ASSERT_OK_AND_ASSIGN(const std::string good, ReadFile(path_));
  const std::string line = good.substr(good.find("mk-"));
  EXPECT_THAT(Load(line + line), StatusIs(absl::StatusCode::kInvalidArgument, "twice"));
  EXPECT_THAT(Load(good, 0640), StatusIs(absl::StatusCode::kPermissionDenied, "chmod 600"));
  EXPECT_OK(Load(good));
  EXPECT_THAT(MasterKeys::Load(dir_ / "").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, ""));
}

class GroupKeyTest : public KeyFileTest {
 protected:
  void SetUp() override { ASSERT_OK(AddMasterKey(path_).status()); }
  MasterKeys Keys() { return *MasterKeys::Load(path_); }
  std::string Passphrase() {
    const auto key = GroupKey::LoadOrMake(dir_ / "", Keys());
    return key.ok() ? (*key)->passphrase().bytes() : std::string(key.status().message());
  }
};

TEST_F(GroupKeyTest, IsMadeOnce) {
  EXPECT_THAT(GroupKey::Load(dir_ / "", Keys()).status(),
              StatusIs(absl::StatusCode::kNotFound, ""));
  const std::string passphrase = Passphrase();
  EXPECT_EQ(passphrase.size(), 64u);
  EXPECT_EQ(Passphrase(), passphrase);
  TempDir other;
  ASSERT_OK_AND_ASSIGN(const GroupKeyPtr key, GroupKey::LoadOrMake(other / "", Keys()));
  EXPECT_NE(key->passphrase().bytes(), passphrase);
}

TEST_F(GroupKeyTest, RotationWrapsAnewAndLetsTheOldKeyGo) {
  const std::string passphrase = Passphrase();
  ASSERT_OK_AND_ASSIGN(const std::string before, GroupKey::WrappedBy(dir_ / ""));
  ASSERT_OK_AND_ASSIGN(const std::string fresh, AddMasterKey(path_));
  ASSERT_OK_AND_ASSIGN(std::string by, GroupKey::WrappedBy(dir_ / ""));
  EXPECT_EQ(by, before);  // until somebody opens it
  EXPECT_EQ(Passphrase(), passphrase);
  ASSERT_OK_AND_ASSIGN(by, GroupKey::WrappedBy(dir_ / ""));
  EXPECT_EQ(by, fresh);
  ASSERT_OK_AND_ASSIGN(std::string text, ReadFile(path_));
  text.erase(text.find(before));
  ASSERT_OK(Load(text));
  EXPECT_EQ(Passphrase(), passphrase);
}

TEST_F(GroupKeyTest, WithoutItsMasterKeyItSaysWhichOneIsMissing) {
  Passphrase();
  ASSERT_OK_AND_ASSIGN(const std::string by, GroupKey::WrappedBy(dir_ / ""));
  ASSERT_EQ(unlink(path_.c_str()), 0);
  ASSERT_OK(AddMasterKey(path_).status());
  EXPECT_THAT(GroupKey::LoadOrMake(dir_ / "", Keys()).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, by));
}

TEST_F(GroupKeyTest, DamageIsFound) {
  Passphrase();
  const std::string file = dir_ / kGroupKeyFile;
  ASSERT_OK_AND_ASSIGN(const std::string good, ReadFile(file));
  for (const std::size_t at : {std::size_t{0}, good.size() / 2, good.size() - 2}) {
    std::string damaged = good;
    damaged[at] = damaged[at] == '0' ? '1' : '0';
    ASSERT_OK(WriteFileAtomically(file, damaged));
    EXPECT_THAT(GroupKey::LoadOrMake(dir_ / "", Keys()).status(),
                StatusIs(absl::StatusCode::kDataLoss, ""));
  }
  ASSERT_OK(WriteFileAtomically(file, good.substr(0, good.size() - 3)));
  EXPECT_THAT(GroupKey::LoadOrMake(dir_ / "", Keys()).status(),
              StatusIs(absl::StatusCode::kDataLoss, ""));
}

}  // namespace
}  // namespace godwit::crypt
