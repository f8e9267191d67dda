#include "cli/redact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace godwit::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Redact, TakesOutWhatIsSecret) {
  for (const char* text : {
           "database = host=/run/postgresql password=hunter2 dbname=godwit",
           "database = host=db password='hunter2 \\' hunter2' dbname=godwit",
           "database = postgresql://godwit:hunter2@db/godwit",
           R"({"client_secret": "hunter2", "name": "x"})",
           R"({"token":"hunter2"})",
           R"({"secretAccessKey" : "a\"hunter2"})",
           R"({"msg":"enrolled with godwit-t-0123456789abcdef0.hunter2"})",
           "Authorization: Bearer hunter2\nHost: x",
           R"("authorization": "AWS4-HMAC hunter2")",
           "-----BEGIN EC PRIVATE KEY-----\nhunter2\n-----END EC PRIVATE KEY-----\n",
           "-----BEGIN PRIVATE KEY-----\nhunter2, and the end is cut off",
           "token = hunter2",
           "  --installation-token=hunter2",
           "master-key = hunter2",
           "Webhook-Secret=hunter2",
           "DB_PASSWORD=\"hunter2 hunter2\"",
       }) {
    EXPECT_THAT(Redact(text), Not(HasSubstr("hunter2"))) << text;
    EXPECT_THAT(Redact(text), HasSubstr("[redacted]")) << text;
  }
}

TEST(Redact, LeavesTheRest) {
  for (const char* text : {
           "listen = 0.0.0.0:7001\nmaster-key-file = /etc/godwit/master.keys\n",
           "database = host=/run/postgresql dbname=godwit user=godwit-registry",
           R"({"ts":"2024-01-01T00:00:00Z","msg":"serving","port":"7001"})",
           "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
           "registry = registry.example.org:7001",
       }) {
    EXPECT_EQ(Redact(text), text);
  }
}

TEST(Redact, KeepsItsSpeed) {
  // What would take a backtracking matcher for ever.
  const std::string text =
      "\"" + std::string(200'000, 'a') + "password" + std::string(200'000, '\\');
  EXPECT_EQ(Redact(text).empty(), false);
}

}  // namespace
}  // namespace godwit::cli
