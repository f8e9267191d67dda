// Access keys: who makes them, where their secrets are, what gateways get, through the service and
// the command line.
#include "absl/strings/escaping.h"
#include "services/registry/domain/access_key.h"
#include "tests/rpc/services/registry/identity/identity_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::Not;
using Stub = pb::AccessKeyService::Stub;

TEST_F(IdentityTest, LifeOfAKey) {
  const auto admin = As("user/admin/alice");
  const auto gateway = As("service/gateway");
  pb::CreateAccessKeyRequest create = For("user/operator/ci");
  create.mutable_access_key()->set_lifecycle_profile(pb::AccessKey::LENIENT);
  ASSERT_OK_AND_ASSIGN(const pb::AccessKey made, Call(*admin, &Stub::CreateAccessKey, create));
  EXPECT_THAT(made.secret(), ::testing::MatchesRegex("[A-Za-z0-9+/]{40}"));
  // Asked again with the same request id: the same key and secret. Nowhere is the secret in clear.
  ASSERT_OK_AND_ASSIGN(const pb::AccessKey again, Call(*admin, &Stub::CreateAccessKey, create));
  EXPECT_EQ(again.name(), made.name());
  EXPECT_EQ(again.secret(), made.secret());
  EXPECT_EQ(InDatabase(made.secret()), 0);
  EXPECT_GE(InDatabase(made.name().substr(11)), 3);  // the key, its kept answer, its audit row

  // What the gateway gets verifies what a client signs with the secret.
  ASSERT_OK_AND_ASSIGN(const pb::SigningKey signing,
                       Call(*gateway, &Stub::GetSigningKey, Today(made.name())));
  const pb::GetSigningKeyRequest today = Today(made.name());
  ASSERT_OK_AND_ASSIGN(
      const crypt::Secret expected,
      SigningKeyOf(crypt::Secret(made.secret()), today.date(), "us-east-1", "mgn"));
  EXPECT_EQ(absl::BytesToHexString(signing.key()), absl::BytesToHexString(expected.bytes()));
  EXPECT_EQ(signing.principal(), "user/operator/ci");
  EXPECT_EQ(signing.lifecycle_profile(), pb::AccessKey::LENIENT);

  // Disabled keys are told as such.
  pb::UpdateAccessKeyRequest update;
  update.mutable_access_key()->set_name(made.name());
  update.mutable_access_key()->set_disabled(true);
  update.mutable_update_mask()->add_paths("disabled");
  ASSERT_OK_AND_ASSIGN(const pb::AccessKey disabled, Call(*admin, &Stub::UpdateAccessKey, update));
  EXPECT_TRUE(disabled.has_last_use_time());
  EXPECT_EQ(disabled.lifecycle_profile(), pb::AccessKey::LENIENT);
  ASSERT_OK_AND_ASSIGN(const pb::SigningKey refused,
                       Call(*gateway, &Stub::GetSigningKey, Today(made.name())));
  EXPECT_TRUE(refused.disabled());
  update.mutable_access_key()->set_etag(made.etag());
  EXPECT_THAT(Call(*admin, &Stub::UpdateAccessKey, update),
              StatusIs(absl::StatusCode::kAborted, "etag"));

  // A master key before the old one: a start wraps anew, and the old one may go.
  ASSERT_OK(crypt::AddMasterKey(KeyFile()).status());
  ASSERT_OK(StartRegistry());
  ASSERT_OK_AND_ASSIGN(const std::string keys, ReadFile(KeyFile()));
  ASSERT_OK(WriteFileAtomically(KeyFile(), keys.substr(0, keys.rfind("mk-"))));
  const auto gateway_again = As("service/gateway");
  ASSERT_OK_AND_ASSIGN(const pb::SigningKey rewrapped,
                       Call(*gateway_again, &Stub::GetSigningKey, Today(made.name())));
  EXPECT_EQ(rewrapped.key(), signing.key());

  Delete(made.name());
  EXPECT_THAT(Call(*gateway_again, &Stub::GetSigningKey, Today(made.name())),
              StatusIs(absl::StatusCode::kNotFound, made.name()));
}

TEST_F(IdentityTest, RefusesWhatItShould) {
  const auto admin = As("user/admin/alice");
  std::vector<std::string> made;
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const auto key,
                         Call(*admin, &Stub::CreateAccessKey, For("user/viewer/dashboard")));
    made.push_back(key.name());
  }
  EXPECT_THAT(Call(*admin, &Stub::CreateAccessKey, For("user/viewer/dashboard")),
              StatusIs(absl::StatusCode::kFailedPrecondition, "delete one"));
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK_AND_ASSIGN(const auto key,
                         Call(*admin, &Stub::CreateAccessKey, For("user/operator/ci")));
    made.push_back(key.name());
  }
  EXPECT_THAT(Call(*admin, &Stub::CreateAccessKey, For("user/operator/other")),
              StatusIs(absl::StatusCode::kFailedPrecondition, "delete some"));

  for (const char* bad : {"", "service/jobs", "agent/s-00000000000000001", "user/root/x",
                          "user/admin/", "user/admin/a/b", "user/admin/a b"}) {
    EXPECT_THAT(Call(*admin, &Stub::CreateAccessKey, For(bad)),
                StatusIs(absl::StatusCode::kInvalidArgument, "access_key.principal"))
        << bad;
  }
  pb::UpdateAccessKeyRequest update;
  update.mutable_access_key()->set_name(made[0]);
  update.mutable_update_mask()->add_paths("principal");
  EXPECT_THAT(Call(*admin, &Stub::UpdateAccessKey, update),
              StatusIs(absl::StatusCode::kInvalidArgument, "update_mask"));

  const auto gateway = As("service/gateway");
  pb::GetSigningKeyRequest signing = Today(made[0]);
  signing.set_date("20200101");
  EXPECT_THAT(Call(*gateway, &Stub::GetSigningKey, signing),
              StatusIs(absl::StatusCode::kInvalidArgument, "date"));
  for (const char* other : {"service/jobs", "user/admin/alice", "worker/w-00000000000000001"}) {
    EXPECT_THAT(Call(*As(other), &Stub::GetSigningKey, Today(made[0])),
                StatusIs(absl::StatusCode::kPermissionDenied, "for"))
        << other;
  }

  // Who is no admin sees the own ones and changes none.
  const auto operator_stub = As("user/operator/ci");
  ASSERT_OK_AND_ASSIGN(const auto own,
                       Call(*operator_stub, &Stub::ListAccessKeys, pb::ListAccessKeysRequest()));
  EXPECT_EQ(own.access_keys_size(), 2);
  pb::ListAccessKeysRequest others;
  others.set_principal("user/viewer/dashboard");
  ASSERT_OK_AND_ASSIGN(const auto none, Call(*operator_stub, &Stub::ListAccessKeys, others));
  EXPECT_EQ(none.access_keys_size(), 0);
  EXPECT_THAT(Call(*operator_stub, &Stub::CreateAccessKey, For("user/operator/ci")),
              StatusIs(absl::StatusCode::kPermissionDenied, "admin"));
  // Pages.
  pb::ListAccessKeysRequest page;
  page.set_page_size(2);
  std::vector<std::string> listed;
  do {
    ASSERT_OK_AND_ASSIGN(const auto list, Call(*admin, &Stub::ListAccessKeys, page));
    for (const auto& key : list.access_keys()) {
      listed.push_back(key.name());
      EXPECT_EQ(key.secret(), "");
    }
    page.set_page_token(list.next_page_token());
  } while (!page.page_token().empty());
  EXPECT_EQ(listed, made);
  for (const std::string& name : made) Delete(name);

  // Without a master key file there are none.
  installation_->config.master_key_file.clear();
  ASSERT_OK(StartRegistry());
  EXPECT_THAT(Call(*As("user/admin/alice"), &Stub::CreateAccessKey, For("user/operator/ci")),
              StatusIs(absl::StatusCode::kFailedPrecondition, "--master-key-file"));
  installation_->config.master_key_file = KeyFile();
  ASSERT_OK(StartRegistry());
}

TEST_F(IdentityTest, CommandLine) {
  const cli::Ran made =
      Do("user/admin/alice", {"access-keys", "create", "user/operator/ci", "--credentials", "moves",
                              "--lifecycle-profile", "lenient", "--description", "nightly"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.out,
              ::testing::MatchesRegex("\\[moves\\]\naws_access_key_id = GWAK[A-Z2-7]{16}\n"
                                      "aws_secret_access_key = [A-Za-z0-9+/]{40}\n"));
  const std::string id = made.out.substr(made.out.find("GWAK"), 20);
  const std::string secret = made.out.substr(made.out.rfind("= ") + 2, 40);
  const cli::Ran list = Do("user/operator/ci", {"access-keys", "list"});
  EXPECT_THAT(list.out, HasSubstr(id));
  EXPECT_THAT(list.out, HasSubstr("lenient"));
  EXPECT_THAT(list.out, HasSubstr("nightly"));
  EXPECT_THAT(list.out, Not(HasSubstr(secret)));
  const cli::Ran disabled = Do("user/admin/alice", {"access-keys", "disable", id});
  EXPECT_EQ(disabled.out, id + " disabled\n") << disabled.err;
  EXPECT_EQ(Do("user/admin/alice", {"access-keys", "enable", id}).out, id + " enabled\n");
  const cli::Ran json = Do("user/admin/alice", {"access-keys", "list", "--output", "json"});
  EXPECT_THAT(json.out, HasSubstr("\"lifecycleProfile\": \"LENIENT\""));
  EXPECT_THAT(json.out, HasSubstr("\"disabled\": false"));
  EXPECT_EQ(Do("user/operator/ci", {"access-keys", "delete", id}).exit_code, cli::kNotPermitted);
  EXPECT_EQ(Do("user/admin/alice", {"access-keys", "delete", id}).out, id + " deleted\n");
  EXPECT_EQ(Do("user/admin/alice", {"access-keys", "delete", id}).exit_code, cli::kNotFound);
  const cli::Ran full = Do("user/admin/alice", {"access-keys", "create", "user/viewer/v"});
  EXPECT_THAT(full.out, HasSubstr("shown only now"));
  Delete("accessKeys/" + full.out.substr(full.out.find("GWAK"), 20));
}

}  // namespace
}  // namespace godwit::registry
