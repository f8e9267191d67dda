#include "services/registry/domain/installation_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace godwit::registry {
namespace {

constexpr char kId[] = "t-0123456789abcdef0";
const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

TEST(InstallationTokenTest, TextGoesRound) {
  const std::string secret = TokenSecret("key", kId);
  ASSERT_OK_AND_ASSIGN(const TokenText text, ParseToken(FormatToken(kId, secret)));
  EXPECT_EQ(text.id, kId);
  EXPECT_EQ(text.secret, secret);
  EXPECT_NE(TokenSecret("key", "t-0123456789abcdef1"), secret);
  EXPECT_NE(TokenSecret("other key", kId), secret);
  EXPECT_GE(secret.size(), 43u);
}

TEST(InstallationTokenTest, OtherTextsAreRefusedWithoutRepeatingThem) {
  for (const std::string text :
       {"", "godwit-", "godwit-t-0123456789abcdef0", "godwit-t-0123456789abcdef0.",
        "godwit-t-012.SECRETSECRET", "gotwit-t-0123456789abcdef0.SECRETSECRET"}) {
    EXPECT_THAT(ParseToken(text), ::godwit::testing::StatusIs(absl::StatusCode::kUnauthenticated,
                                                              "not an installation token"));
    EXPECT_THAT(std::string(ParseToken(text).status().message()),
                ::testing::Not(::testing::HasSubstr("SECRETSECRET")));
  }
  EXPECT_FALSE(ParseToken(FormatToken(kId, std::string(1000, 'x'))).ok());
}

TEST(InstallationTokenTest, Verdicts) {
  InstallationToken token{.id = kId,
                          .secret_hash = HashOf("secret"),
                          .expire_time = kNow + absl::Seconds(1),
                          .max_uses = 1};
  EXPECT_EQ(Judge(token, "secret", kNow, false), TokenVerdict::kGood);
  EXPECT_EQ(Judge(token, "Secret", kNow, false), TokenVerdict::kWrongSecret);
  EXPECT_EQ(Judge(token, "secret", kNow + absl::Seconds(1), false), TokenVerdict::kExpired);
  token.use_count = 1;
  EXPECT_EQ(Judge(token, "secret", kNow, false), TokenVerdict::kUsedUp);
  EXPECT_EQ(Judge(token, "secret", kNow, true), TokenVerdict::kGood);
  token.revoked = true;
  EXPECT_EQ(Judge(token, "secret", kNow, true), TokenVerdict::kRevoked);
  EXPECT_EQ(Judge(token, "wrong", kNow, true), TokenVerdict::kWrongSecret);
}

}  // namespace
}  // namespace godwit::registry
