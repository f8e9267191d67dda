// Webhooks through the service and the command line: secrets, refusals, where they may not go,
// order, parking.
#include "services/common/pg/connection.h"
#include "tests/rpc/services/registry/events/events_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class WebhookTest : public EventsTest {
 protected:
  static std::unique_ptr<Webhooks> Admin() {
    return pb::WebhookService::NewStub(ChannelAs("user/admin/alice"));
  }
  static pb::CreateWebhookRequest For(const std::string& url) {
    pb::CreateWebhookRequest request;
    request.set_request_id(NewUuid());
    request.mutable_webhook()->set_url(url);
    return request;
  }
  static pb::Webhook Get(const std::string& name) {
    pb::GetWebhookRequest request;
    request.set_name(name);
    const auto webhook = Call(*Admin(), &Webhooks::GetWebhook, request);
    EXPECT_OK(webhook);
    return webhook.ok() ? *webhook : pb::Webhook();
  }
  // What a test event meets.
  static pb::TestWebhookResponse Try(const pb::CreateWebhookRequest& request) {
    const auto admin = Admin();
    const auto webhook = Call(*admin, &Webhooks::CreateWebhook, request);
    EXPECT_OK(webhook);
    if (!webhook.ok()) return {};
    pb::TestWebhookRequest test;
    test.set_name(webhook->name());
    const auto answer = Call(*admin, &Webhooks::TestWebhook, test);
    EXPECT_OK(answer);
    pb::DeleteWebhookRequest remove;
    remove.set_name(webhook->name());
    EXPECT_OK(Call(*admin, &Webhooks::DeleteWebhook, remove));
    return answer.ok() ? *answer : pb::TestWebhookResponse();
  }
  static std::vector<std::string> Etags(const Receiver& receiver, const std::string& path) {
    std::vector<std::string> etags;
    for (const nlohmann::json& entry : receiver.Taken(path)) etags.push_back(entry["etag"]);
    return etags;
  }
};

TEST_F(WebhookTest, SecretsAreShownOnceAndKeptWrapped) {
  const auto admin = Admin();
  const pb::CreateWebhookRequest request = For("http://127.0.0.1:1/x");
  ASSERT_OK_AND_ASSIGN(const pb::Webhook made, Call(*admin, &Webhooks::CreateWebhook, request));
  EXPECT_THAT(made.secret(), ::testing::MatchesRegex("whsec_[A-Za-z0-9+/=]{44}"));
  ASSERT_OK_AND_ASSIGN(const pb::Webhook again, Call(*admin, &Webhooks::CreateWebhook, request));
  EXPECT_EQ(again.name(), made.name());
  EXPECT_EQ(again.secret(), made.secret());
  EXPECT_EQ(Get(made.name()).secret(), "");
  EXPECT_EQ(InDatabase(made.secret()), 0);
  const std::string raw = made.secret().substr(6);
  EXPECT_EQ(InDatabase(raw), 0);

  pb::UpdateWebhookRequest update;
  update.mutable_webhook()->set_name(made.name());
  update.mutable_webhook()->set_etag(made.etag());
  update.mutable_update_mask()->add_paths("secret");
  ASSERT_OK_AND_ASSIGN(const pb::Webhook changed, Call(*admin, &Webhooks::UpdateWebhook, update));
  EXPECT_NE(changed.secret(), made.secret());
  EXPECT_EQ(changed.url(), made.url());
  EXPECT_THAT(Call(*admin, &Webhooks::UpdateWebhook, update),
              StatusIs(absl::StatusCode::kAborted, "etag"));

  // A new master key before the old one: a start wraps anew, and the old one may go.
  ASSERT_OK(crypt::AddMasterKey(KeyFile()).status());
  ASSERT_OK(StartRegistry());
  ASSERT_OK_AND_ASSIGN(const std::string keys, ReadFile(KeyFile()));
  ASSERT_OK(WriteFileAtomically(KeyFile(), keys.substr(0, keys.rfind("mk-"))));
  ASSERT_OK_AND_ASSIGN(const pb::Webhook kept, Call(*Admin(), &Webhooks::CreateWebhook, request));
  EXPECT_EQ(kept.secret(), changed.secret());
  pb::DeleteWebhookRequest remove;
  remove.set_name(made.name());
  ASSERT_OK(Call(*Admin(), &Webhooks::DeleteWebhook, remove));
  EXPECT_THAT(Call(*Admin(), &Webhooks::DeleteWebhook, remove),
              StatusIs(absl::StatusCode::kNotFound, made.name()));
}

TEST_F(WebhookTest, RefusesUrlsAndFieldsThatAreWrong) {
  const auto admin = Admin();
  for (const auto& [url, why] :
       std::map<std::string, std::string>{{"", "required"},
                                          {"ftp://example.org/", "https://"},
                                          {"http://example.org/", "loopback"},
                                          {"https://a:b@example.org/", "no user"},
                                          {"https://example.org/#x", "fragment"},
                                          {"https://exa mple.org/", "no URL"},
                                          {"https://10.1.2.3/", "10.1.2.3"},
                                          {"https://192.168.1.1:8443/x", "--webhook-allow"},
                                          {"https://[::ffff:10.0.0.1]/", "10.0.0.1"},
                                          {"https://[fd00::1]/", "fd00::1"},
                                          {"https://169.254.169.254/latest", "metadata"},
                                          {"https://2852039166/latest", "metadata"}}) {
    const auto refused = Call(*admin, &Webhooks::CreateWebhook, For(url));
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, "webhook.url")) << url;
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr(why)) << url;
  }
  pb::CreateWebhookRequest request = For("https://example.org/");
  request.mutable_webhook()->set_ca_pem("not PEM");
  EXPECT_THAT(Call(*admin, &Webhooks::CreateWebhook, request),
              StatusIs(absl::StatusCode::kInvalidArgument, "webhook.ca_pem"));
  request = For("https://example.org/");
  request.mutable_webhook()->mutable_filter()->add_waves("w");
  EXPECT_THAT(Call(*admin, &Webhooks::CreateWebhook, request),
              StatusIs(absl::StatusCode::kInvalidArgument, "webhook.filter.waves[0]"));
  request = For("https://example.org/");
  request.set_request_id("1");
  EXPECT_THAT(Call(*admin, &Webhooks::CreateWebhook, request),
              StatusIs(absl::StatusCode::kInvalidArgument, "request_id"));
  for (const char* other : {"user/operator/carol", "user/viewer/bob", "service/jobs"}) {
    EXPECT_THAT(Call(*pb::WebhookService::NewStub(ChannelAs(other)), &Webhooks::CreateWebhook,
                     For("https://example.org/")),
                StatusIs(absl::StatusCode::kPermissionDenied, "admin"))
        << other;
  }
}

TEST_F(WebhookTest, GoesOnlyWhereItMay) {
  Receiver plain, tls;
  ASSERT_OK(plain.Start(false));
  ASSERT_OK(tls.Start(true));
  // Redirects are not followed.
  pb::TestWebhookResponse answer = Try(For(plain.Url("/redirect")));
  EXPECT_EQ(answer.http_status(), 302);
  EXPECT_THAT(answer.error(), HasSubstr("redirect"));
  EXPECT_THAT(plain.Taken("/trap"), ::testing::IsEmpty());
  // An answer without an end does not matter, and is not waited for.
  const absl::Time before = absl::Now();
  EXPECT_EQ(Try(For(plain.Url("/big"))).error(), "");
  EXPECT_LT(absl::Now() - before, absl::Seconds(2));
  // Certificates are verified: by the system's CAs, by one's own, and the name.
  EXPECT_THAT(Try(For(tls.Url("/ok"))).error(), HasSubstr("certificate"));
  pb::CreateWebhookRequest own = For(tls.Url("/ok"));
  ASSERT_OK_AND_ASSIGN(*own.mutable_webhook()->mutable_ca_pem(), ReadFile(tls.ca_file()));
  tls.SetSecret("whsec_");
  EXPECT_EQ(Try(own).error(), "");
  EXPECT_THAT(tls.Taken("/ok"), ::testing::SizeIs(1));
  std::string url = own.webhook().url();
  url.replace(url.find("127.0.0.1"), 9, "localhost");
  own.set_request_id(NewUuid());
  own.mutable_webhook()->set_url(url);
  answer = Try(own);
  EXPECT_EQ(answer.http_status(), 0);
  EXPECT_THAT(answer.error(), Not(""));
  // A name that leads to an address that is not allowed: found out where it is connected to.
  installation_->config.webhooks.addresses = AddressPolicy();
  ASSERT_OK(StartRegistry());
  own.set_request_id(NewUuid());
  answer = Try(own);
  EXPECT_EQ(answer.http_status(), 0);
  EXPECT_THAT(answer.error(), HasSubstr("--webhook-allow"));
  EXPECT_THAT(Call(*Admin(), &Webhooks::CreateWebhook, For(plain.Url("/ok"))),
              StatusIs(absl::StatusCode::kInvalidArgument, "--webhook-allow"));
  installation_->config.webhooks.addresses = AddressPolicy({*ParseNetwork("127.0.0.0/8")});
  ASSERT_OK(StartRegistry());
  EXPECT_THAT(tls.Taken("/ok"), ::testing::SizeIs(1));
}

TEST_F(WebhookTest, ParksResumesAndDropsInOrder) {
  Receiver receiver;
  ASSERT_OK(receiver.Start(false));
  const auto operator_stub = Operator();
  const std::string server = NewServer(*operator_stub), other = NewServer(*operator_stub);
  const cli::Ran made =
      Do("user/admin/alice", {"webhooks", "create", receiver.Url("/switch"), "--server", server,
                              "--server", other, "--description", "tickets", "--output", "json"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const auto webhook = nlohmann::json::parse(made.out);
  const std::string name = webhook["name"];
  receiver.SetSecret(webhook["secret"]);
  const std::string id = name.substr(sizeof "webhooks/" - 1);
  for (int i = 0; i < 3; ++i) ASSERT_OK(Change(*operator_stub, server));
  ASSERT_OK(Change(*operator_stub, other));
  NewServer(*operator_stub);  // none of its
  ASSERT_TRUE(Eventually([&] { return Get(name).parked_count() == 2; }));
  // Those behind a parked one wait.
  EXPECT_EQ(Get(name).waiting_count(), 2);
  const cli::Ran parked =
      Do("user/admin/alice", {"webhooks", "deliveries", id, "--state", "parked"});
  EXPECT_THAT(parked.out, HasSubstr("HTTP 503"));
  EXPECT_EQ(std::count(parked.out.begin(), parked.out.end(), '\n'), 3) << parked.out;
  EXPECT_THAT(Do("user/admin/alice", {"webhooks", "list"}).out, HasSubstr("parked"));
  EXPECT_EQ(Do("user/admin/alice", {"webhooks", "test", id}).exit_code, cli::kFailed);

  receiver.Open();
  EXPECT_EQ(Do("user/admin/alice", {"webhooks", "test", id}).exit_code, 0);
  const cli::Ran dropped =
      Do("user/admin/alice", {"webhooks", "resume", id, "--resource", other, "--drop"});
  EXPECT_EQ(dropped.out, "1 parked deliveries given up\n") << dropped.err;
  const cli::Ran resumed = Do("user/admin/alice", {"webhooks", "resume", id});
  EXPECT_EQ(resumed.out, "1 parked deliveries are tried again\n") << resumed.err;
  ASSERT_TRUE(Eventually([&] { return receiver.Taken("/switch").size() >= 4; }));
  EXPECT_THAT(Etags(receiver, "/switch"), ElementsAre("v0", "v2", "v3", "v4"));
  for (const nlohmann::json& entry : receiver.Taken("/switch")) {
    EXPECT_TRUE(entry["verified"].get<bool>()) << entry;
  }
  ASSERT_TRUE(Eventually([&] { return Get(name).waiting_count() == 0; }));
  const cli::Ran all = Do("user/admin/alice", {"webhooks", "deliveries", id, "--output", "json"});
  EXPECT_THAT(all.out, HasSubstr("DROPPED"));
  EXPECT_THAT(all.out, HasSubstr("DELIVERED"));

  // Disabled: nothing is sent, and what happens meanwhile is not sent later.
  ASSERT_EQ(Do("user/admin/alice", {"webhooks", "update", id, "--disable"}).exit_code, 0);
  ASSERT_OK(Change(*operator_stub, server));
  ASSERT_EQ(Do("user/admin/alice", {"webhooks", "update", id, "--enable"}).exit_code, 0);
  ASSERT_OK(Change(*operator_stub, server));
  ASSERT_TRUE(Eventually([&] { return receiver.Taken("/switch").size() >= 5; }));
  EXPECT_EQ(Etags(receiver, "/switch").back(), "v6");
  // Another choice of events.
  ASSERT_EQ(Do("user/admin/alice", {"webhooks", "update", id, "--server", other}).exit_code, 0);
  ASSERT_OK(Change(*operator_stub, server));
  ASSERT_OK(Change(*operator_stub, other));
  ASSERT_TRUE(Eventually([&] { return receiver.Taken("/switch").size() >= 6; }));
  EXPECT_EQ(receiver.Taken("/switch").back()["resource"], other);
  EXPECT_THAT(Do("user/admin/alice", {"webhooks", "get", id}).out, HasSubstr("tickets"));
  EXPECT_EQ(Do("user/admin/alice", {"webhooks", "delete", id}).out, id + " deleted\n");
  EXPECT_EQ(Do("user/admin/alice", {"webhooks", "get", id}).exit_code, cli::kNotFound);
}

TEST_F(WebhookTest, ADeadReceiverHoldsNoOther) {
  Receiver receiver;
  ASSERT_OK(receiver.Start(false));
  const auto admin = Admin();
  std::vector<std::string> names;
  // Those that refuse connections come first.
  for (const std::string& url : {std::string("http://127.0.0.1:1/"),
                                 std::string("http://127.0.0.1:2/"), receiver.Url("/ok")}) {
    ASSERT_OK_AND_ASSIGN(const auto webhook, Call(*admin, &Webhooks::CreateWebhook, For(url)));
    names.push_back(webhook.name());
    receiver.SetSecret(webhook.secret());
  }
  const auto operator_stub = Operator();
  for (int i = 0; i < 40; ++i) NewServer(*operator_stub);
  ASSERT_TRUE(Eventually([&] { return receiver.Taken("/ok").size() >= 40; }));
  EXPECT_GT(Get(names[0]).parked_count() + Get(names[0]).waiting_count(), 0);
  for (const std::string& name : names) {
    pb::DeleteWebhookRequest remove;
    remove.set_name(name);
    EXPECT_OK(Call(*admin, &Webhooks::DeleteWebhook, remove));
  }
}

}  // namespace
}  // namespace godwit::registry
