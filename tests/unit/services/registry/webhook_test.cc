#include "services/registry/domain/webhook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;

// The example of the Standard Webhooks specification.
TEST(WebhookTest, SignsAsReceiversExpect) {
  std::string key;
  ASSERT_TRUE(absl::Base64Unescape("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &key));
  EXPECT_EQ(SignWebhook(crypt::Secret(key), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                        "{\"test\": 2432232314}"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(WebhookTest, SecretsAreBoundToTheirRowAndTheirMasterKey) {
  TempDir dir;
  ASSERT_OK(crypt::AddMasterKey(dir / "keys").status());
  ASSERT_OK_AND_ASSIGN(const crypt::MasterKeys first, crypt::MasterKeys::Load(dir / "keys"));
  ASSERT_OK_AND_ASSIGN(const crypt::Secret secret, NewWebhookSecret());
  EXPECT_EQ(FormatWebhookSecret(secret).bytes(), "whsec_" + absl::Base64Escape(secret.bytes()));
  Webhook webhook{.id = "wh-1", .master_key = first.current().id};
  ASSERT_OK_AND_ASSIGN(webhook.wrapped_secret,
                       WrapWebhookSecret(first.current(), webhook.id, secret));
  EXPECT_EQ(webhook.wrapped_secret.find(secret.bytes()), std::string::npos);
  ASSERT_OK_AND_ASSIGN(const crypt::Secret opened, UnwrapWebhookSecret(first, webhook));
  EXPECT_EQ(opened.bytes(), secret.bytes());
  webhook.id = "wh-2";
  EXPECT_THAT(UnwrapWebhookSecret(first, webhook), StatusIs(absl::StatusCode::kDataLoss, "wh-2"));
  webhook.master_key = "mk-gone";
  EXPECT_THAT(UnwrapWebhookSecret(first, webhook),
              StatusIs(absl::StatusCode::kFailedPrecondition, "mk-gone"));
}

TEST(WebhookTest, WaitsLongerEachTimeUpToABound) {
  const auto delay = [](int attempt, double chance) {
    return RetryDelay(attempt, absl::Seconds(1), absl::Minutes(10), chance);
  };
  EXPECT_EQ(delay(1, 0.5), absl::Seconds(1));
  EXPECT_EQ(delay(1, 0), absl::Milliseconds(500));
  EXPECT_EQ(delay(4, 0.5), absl::Seconds(8));
  EXPECT_EQ(delay(1000000, 0.5), absl::Minutes(10));
  EXPECT_EQ(delay(1000000, 1), absl::Minutes(15));
}

}  // namespace
}  // namespace godwit::registry
