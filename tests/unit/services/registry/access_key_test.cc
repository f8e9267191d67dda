#include "services/registry/domain/access_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/escaping.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;

TEST(AccessKeyTest, IdsAndSecretsHaveTheirForm) {
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    const std::string id = NewAccessKeyId();
    EXPECT_TRUE(IsAccessKeyId(id)) << id;
    EXPECT_TRUE(seen.insert(id).second);
    ASSERT_OK_AND_ASSIGN(const crypt::Secret secret, NewAccessSecret());
    EXPECT_THAT(secret.bytes(), ::testing::MatchesRegex("[A-Za-z0-9+/]{40}"));
    EXPECT_TRUE(seen.insert(secret.bytes()).second);
  }
  for (const char* bad : {"", "GWAK", "GWAKAAAAAAAAAAAAAAA", "GWAKAAAAAAAAAAAAAAAAA",
                          "GWAKAAAAAAAAAAAAAAA1", "GWAKaAAAAAAAAAAAAAAA", "AKIAAAAAAAAAAAAAAAAA"}) {
    EXPECT_FALSE(IsAccessKeyId(bad)) << bad;
  }
}

// The example of the published description of Signature Version 4.
TEST(AccessKeyTest, SigningKeyIsThatOfSignatureVersion4) {
  const crypt::Secret secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
  ASSERT_OK_AND_ASSIGN(const crypt::Secret key,
                       SigningKeyOf(secret, "20120215", "us-east-1", "iam"));
  EXPECT_EQ(absl::BytesToHexString(key.bytes()),
            "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d");
}

TEST(AccessKeyTest, SecretsAreBoundToTheirRowAndTheirMasterKey) {
  TempDir dir;
  ASSERT_OK(crypt::AddMasterKey(dir / "keys").status());
  ASSERT_OK_AND_ASSIGN(const crypt::MasterKeys first, crypt::MasterKeys::Load(dir / "keys"));
  ASSERT_OK_AND_ASSIGN(const crypt::Secret secret, NewAccessSecret());
  AccessKey key{.id = NewAccessKeyId(), .master_key = first.current().id};
  ASSERT_OK_AND_ASSIGN(key.wrapped_secret, WrapAccessSecret(first.current(), key.id, secret));
  EXPECT_EQ(key.wrapped_secret.find(secret.bytes()), std::string::npos);
  ASSERT_OK_AND_ASSIGN(const crypt::Secret back, UnwrapAccessSecret(first, key));
  EXPECT_EQ(back.bytes(), secret.bytes());

  AccessKey moved = key;
  moved.id = NewAccessKeyId();
  EXPECT_THAT(UnwrapAccessSecret(first, moved), StatusIs(absl::StatusCode::kDataLoss, moved.id));
  AccessKey damaged = key;
  damaged.wrapped_secret[20] ^= 1;
  EXPECT_THAT(UnwrapAccessSecret(first, damaged), StatusIs(absl::StatusCode::kDataLoss, key.id));

  // A newer master key before it: the older one still opens; without it nothing does.
  ASSERT_OK(crypt::AddMasterKey(dir / "keys").status());
  ASSERT_OK_AND_ASSIGN(const crypt::MasterKeys both, crypt::MasterKeys::Load(dir / "keys"));
  EXPECT_NE(both.current().id, key.master_key);
  EXPECT_OK(UnwrapAccessSecret(both, key));
  ASSERT_OK(crypt::AddMasterKey(dir / "other").status());
  ASSERT_OK_AND_ASSIGN(const crypt::MasterKeys other, crypt::MasterKeys::Load(dir / "other"));
  EXPECT_THAT(UnwrapAccessSecret(other, key),
              StatusIs(absl::StatusCode::kFailedPrecondition, key.master_key));
}

TEST(AccessKeyTest, ScopesOfSignaturesAreChecked) {
  const absl::Time noon = absl::FromCivil(absl::CivilHour(2026, 3, 1, 12), absl::UTCTimeZone());
  for (const char* good : {"20260227", "20260228", "20260301", "20260302", "20260303"}) {
    EXPECT_TRUE(IsSigningDate(good, noon)) << good;
  }
  for (const char* bad : {"", "20260226", "20260304", "2026-3-1", "20260230", "202603010",
                          "+2026301", "2026030a", "20260229"}) {
    EXPECT_FALSE(IsSigningDate(bad, noon)) << bad;
  }
  EXPECT_TRUE(IsScopeWord("eu-central-1"));
  EXPECT_TRUE(IsScopeWord(std::string(64, 'a')));
  for (const std::string bad : {"", "EU", "a b", "a/b", "a\n"}) EXPECT_FALSE(IsScopeWord(bad));
  EXPECT_FALSE(IsScopeWord(std::string(65, 'a')));
}

}  // namespace
}  // namespace godwit::registry
