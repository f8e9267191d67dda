// Installation tokens that say what new servers start with.
#include "services/common/pg/connection.h"
#include "tests/rpc/services/registry/registry_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using Servers = pb::SourceServerService::Stub;
using Templates = pb::SettingsTemplateService::Stub;
using Tokens = pb::TokenService::Stub;

class TokenTemplatesTest : public RegistryTest {
 protected:
  void SetUp() override {
    servers_ = pb::SourceServerService::NewStub(ChannelAs("user/operator/carol"));
    templates_ = pb::SettingsTemplateService::NewStub(ChannelAs("user/admin/alice"));
    tokens_ = pb::TokenService::NewStub(ChannelAs("user/admin/alice"));
    default_ = Settings("settingsTemplates/default");
  }

  pb::SettingsTemplate Settings(const std::string& name) {
    pb::GetSettingsTemplateRequest request;
    request.set_name(name);
    const auto found = Call(*templates_, &Templates::GetSettingsTemplate, request);
    EXPECT_OK(found);
    return found.ok() ? *found : pb::SettingsTemplate();
  }

  // A new template with these lanes and cores and the tag "from"; its name.
  std::string MakeTemplate(const std::string& id, int lanes, int cores) {
    pb::CreateSettingsTemplateRequest create;
    create.set_request_id(NewUuid());
    create.set_template_id(id);
    create.mutable_template_()->mutable_replication()->set_lane_count(lanes);
    create.mutable_template_()->mutable_launch()->set_cpu_count(cores);
    (*create.mutable_template_()->mutable_tags())["from"] = id;
    (*create.mutable_template_()->mutable_tags())[id] = "";
    const auto made = Call(*templates_, &Templates::CreateSettingsTemplate, create);
    EXPECT_OK(made);
    return made.ok() ? made->name() : "";
  }

  absl::StatusOr<pb::Token> Make(const std::string& replication, const std::string& launch) {
    pb::CreateTokenRequest request;
    request.set_request_id(NewUuid());
    request.set_max_uses(2);
    request.set_replication_template(replication);
    request.set_launch_template(launch);
    return Call(*tokens_, &Tokens::CreateToken, request);
  }
  absl::Status Revoke(const std::string& token) {
    pb::RevokeTokenRequest request;
    request.set_name(token);
    return Call(*tokens_, &Tokens::RevokeToken, request).status();
  }
  absl::Status Delete(const std::string& name) {
    pb::DeleteSettingsTemplateRequest request;
    request.set_name(name);
    return Call(*templates_, &Templates::DeleteSettingsTemplate, request).status();
  }

  struct Start {
    int lanes = 0, cores = 0;
    std::string from;
    int tags = 0;
  };
  Start StartOf(const std::string& server) {
    pb::GetSettingsRequest ask;
    ask.set_name(server);
    const pb::SourceServer found = Get(server);
    const auto from = found.tags().find("from");
    return {.lanes = Call(*servers_, &Servers::GetReplicationSettings, ask)->lane_count(),
            .cores = Call(*servers_, &Servers::GetLaunchSettings, ask)->cpu_count(),
            .from = from == found.tags().end() ? "" : from->second,
            .tags = found.tags_size()};
  }
  std::string EnrolWith(const pb::Token& token) {
    const auto enrolled = Enroll(EnrollRequestFor(token.secret(), *rpc::MakeKeyAndCsr("agent")));
    EXPECT_OK(enrolled);
    return enrolled.ok() ? enrolled->source_server() : "";
  }

  std::unique_ptr<Servers> servers_;
  std::unique_ptr<Templates> templates_;
  std::unique_ptr<Tokens> tokens_;
  pb::SettingsTemplate default_;
};

TEST_F(TokenTemplatesTest, NewServersStartWithWhatTheirTokenNames) {
  const std::string web = MakeTemplate("web", 3, 2), databases = MakeTemplate("databases", 8, 16);
  ASSERT_OK_AND_ASSIGN(const pb::Token both, Make(databases, databases));
  EXPECT_EQ(both.replication_template(), databases);
  EXPECT_EQ(both.launch_template(), databases);
  const Start whole = StartOf(EnrolWith(both));
  EXPECT_EQ(whole.lanes, 8);
  EXPECT_EQ(whole.cores, 16);
  EXPECT_EQ(whole.from, "databases");

  ASSERT_OK_AND_ASSIGN(const pb::Token mixed, Make(web, databases));
  const std::string server = EnrolWith(mixed);
  const Start halves = StartOf(server);
  EXPECT_EQ(halves.lanes, 3);
  EXPECT_EQ(halves.cores, 16);
  EXPECT_EQ(halves.from, "databases") << "those of the launch template win";
  EXPECT_EQ(halves.tags, 3) << "from, web, databases";

  // One that names one: the other settings are the default's.
  ASSERT_OK_AND_ASSIGN(const pb::Token one, Make(web, ""));
  EXPECT_EQ(one.launch_template(), "");
  const Start half = StartOf(EnrolWith(one));
  EXPECT_EQ(half.lanes, 3);
  EXPECT_EQ(half.cores, default_.launch().cpu_count());
  EXPECT_EQ(half.tags, 2 + default_.tags_size());

  // The list says it as well.
  ASSERT_OK_AND_ASSIGN(const pb::ListTokensResponse list,
                       Call(*tokens_, &Tokens::ListTokens, pb::ListTokensRequest()));
  for (const pb::Token& listed : list.tokens()) {
    if (listed.name() != mixed.name()) continue;
    EXPECT_EQ(listed.replication_template(), web);
    EXPECT_EQ(listed.launch_template(), databases);
  }
  for (const pb::Token& token : {both, mixed, one}) ASSERT_OK(Revoke(token.name()));
  ASSERT_OK(Delete(web));
  ASSERT_OK(Delete(databases));
  EXPECT_EQ(StartOf(server).lanes, 3) << "what a server has is its own";
}

// The API of MGN makes templates with one half, called by its ids.
TEST_F(TokenTemplatesTest, ATemplateIsAskedForWhatItHas) {
  const std::string replication = MakeTemplate("rct-0123456789abcdef0", 5, 0);
  const std::string launch = MakeTemplate("lct-0123456789abcdef0", 0, 7);
  const auto field = [](const auto& refused) {
    const auto violations = rpc::GetInfo(refused.status()).field_violations;
    return violations.empty() ? std::string("none") : violations[0].first;
  };
  const auto swapped = Make(launch, "");
  EXPECT_THAT(swapped, StatusIs(absl::StatusCode::kInvalidArgument, "launch settings only"));
  EXPECT_EQ(field(swapped), "replication_template");
  const auto other = Make(replication, replication);
  EXPECT_THAT(other, StatusIs(absl::StatusCode::kInvalidArgument, "replication settings only"));
  EXPECT_EQ(field(other), "launch_template");
  const auto unknown = Make("", "settingsTemplates/nobody");
  EXPECT_THAT(unknown, StatusIs(absl::StatusCode::kInvalidArgument, "there is no"));
  EXPECT_EQ(field(unknown), "launch_template");
  EXPECT_EQ(field(Make("databases", "")), "replication_template");
  EXPECT_EQ(field(Make("settingsTemplates/Bad Id", "")), "replication_template");

  ASSERT_OK_AND_ASSIGN(const pb::Token token, Make(replication, launch));
  const Start start = StartOf(EnrolWith(token));
  EXPECT_EQ(start.lanes, 5);
  EXPECT_EQ(start.cores, 7);
}

TEST_F(TokenTemplatesTest, ATemplateOutlivesItsTokens) {
  const std::string name = MakeTemplate("short-lived", 4, 4);
  ASSERT_OK_AND_ASSIGN(const pb::Token token, Make("", name));
  const absl::Status refused = Delete(name);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, token.name()));
  EXPECT_EQ(rpc::GetInfo(refused).reason, "TEMPLATE_IN_USE");

  // An expired token holds it no longer, whatever the clocks of this test.
  ASSERT_OK_AND_ASSIGN(const auto connection,
                       pg::Connection::Open(installation_->database->conninfo()));
  constexpr pg::Statement kExpire = {
      "expire",
      "update registry.installation_token set expire_time = now() - interval '1 second'"
      " where 'tokens/' || id = $1"};
  ASSERT_OK(connection->Exec(kExpire, {token.name()}));
  EXPECT_OK(Delete(name));
  EXPECT_EQ(
      rpc::GetInfo(Enroll(EnrollRequestFor(token.secret(), *rpc::MakeKeyAndCsr("agent"))).status())
          .reason,
      "TOKEN_EXPIRED");
}

// A registry of the release before knows no templates of tokens and deletes one.
TEST_F(TokenTemplatesTest, ATemplateThatIsGoneAllTheSameRefusesEnrolment) {
  const std::string name = MakeTemplate("vanished", 4, 4);
  ASSERT_OK_AND_ASSIGN(const pb::Token token, Make(name, ""));
  ASSERT_OK_AND_ASSIGN(const auto connection,
                       pg::Connection::Open(installation_->database->conninfo()));
  constexpr pg::Statement kDelete = {"delete",
                                     "delete from registry.settings_template where id = $1"};
  ASSERT_OK(connection->Exec(kDelete, {"vanished"}));
  const auto refused = Enroll(EnrollRequestFor(token.secret(), *rpc::MakeKeyAndCsr("agent")));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, name));
  EXPECT_EQ(rpc::GetInfo(refused.status()).reason, "TEMPLATE_GONE");
}

// Whoever comes first: either the token finds no template, or the deletion finds the token.
TEST_F(TokenTemplatesTest, ATokenThatIsMadeBesideTheDeletion) {
  for (int i = 0; i < 10; ++i) {
    const std::string name = MakeTemplate(absl::StrCat("contended-", i), 1, 1);
    absl::Status deleted;
    std::thread other([&] { deleted = Delete(name); });
    const auto token = Make(name, name);
    other.join();
    EXPECT_NE(token.ok(), deleted.ok()) << token.status() << "; " << deleted;
    if (token.ok()) {
      EXPECT_THAT(deleted, StatusIs(absl::StatusCode::kFailedPrecondition, ""));
    }
  }
}

}  // namespace
}  // namespace godwit::registry
