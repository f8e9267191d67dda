// Two registries that are killed in the middle of deliveries, and a receiver that fails in every
// way there is: every event arrives, those of a server in order, never two at a time.
#include <set>

#include "tests/rpc/services/registry/events/events_fixture.h"

namespace godwit::registry {
namespace {

using WebhookCrashTest = EventsTest;

TEST_F(WebhookCrashTest, NothingIsLostAndNothingComesOutOfOrder) {
  Receiver receiver;
  ASSERT_OK(receiver.Start(true));
  // The one in this process makes the changes and sends nothing: it has no threads for that.
  installation_->config.webhooks.addresses = AddressPolicy({*ParseNetwork("127.0.0.1")});
  installation_->config.webhooks.threads = 0;
  ASSERT_OK(StartRegistry());
  Registry one, two;
  StartProgram("one", "", one);
  StartProgram("two", "", two);
  if (HasFatalFailure()) return;

  const auto admin = pb::WebhookService::NewStub(ChannelAs("user/admin/alice"));
  pb::CreateWebhookRequest create;
  create.set_request_id(NewUuid());
  create.mutable_webhook()->set_url(receiver.Url("/flaky"));
  ASSERT_OK_AND_ASSIGN(*create.mutable_webhook()->mutable_ca_pem(), ReadFile(receiver.ca_file()));
  ASSERT_OK_AND_ASSIGN(const auto webhook, Call(*admin, &Webhooks::CreateWebhook, create));
  receiver.SetSecret(webhook.secret());

  const auto operator_stub = Operator();
  std::map<std::string, int> versions;  // that a server has
  std::vector<std::string> servers;
  for (int i = 0; i < 6; ++i) {
    servers.push_back(NewServer(*operator_stub));
    versions[servers.back()] = 1;
  }
  const auto change_all = [&](int times) {
    for (int i = 0; i < times * static_cast<int>(servers.size()); ++i) {
      const std::string& server = servers[i % servers.size()];
      ASSERT_OK(Change(*operator_stub, server));
      ++versions[server];
    }
  };
  const auto arrived = [&] {
    std::set<std::string> ids;
    for (const nlohmann::json& entry : receiver.Taken("/flaky")) ids.insert(entry["id"]);
    return ids.size();
  };
  change_all(4);
  ASSERT_TRUE(Eventually([&] { return arrived() >= 5; }));
  one.process.Signal(SIGKILL);
  change_all(3);
  StartProgram("one", "registry.webhook.before_noted:4:crash", one);  // taken, not written down
  if (HasFatalFailure()) return;
  change_all(3);
  ASSERT_TRUE(Eventually([&] { return !one.process.Running(); }));
  StartProgram("one", "", one);
  if (HasFatalFailure()) return;
  two.process.Signal(SIGKILL);
  const std::size_t expected = servers.size() * 11;
  ASSERT_TRUE(Eventually([&] { return arrived() >= expected; })) << arrived() << one.process.Log();

  std::map<std::string, int> seen;
  std::set<std::string> ids;
  int repeated = 0;
  for (const nlohmann::json& entry : receiver.Taken("/flaky")) {
    EXPECT_TRUE(entry["verified"].get<bool>() && entry["same_id"].get<bool>()) << entry;
    EXPECT_TRUE(entry["alone"].get<bool>()) << entry;
    const bool first_time = ids.insert(entry["id"].get<std::string>()).second;
    int& version = seen[entry["resource"].get<std::string>()];
    if (first_time) {
      EXPECT_EQ(entry["etag"], absl::StrCat("v", ++version)) << entry;
    } else {
      ++repeated;
      // Again, and before the next one.
      EXPECT_EQ(entry["etag"], absl::StrCat("v", version)) << entry;
      EXPECT_GT(entry["attempt"].get<int>(), 1) << entry;
    }
  }
  EXPECT_EQ(seen, versions);
  std::cout << ids.size() << " events arrived, " << repeated << " of them again" << std::endl;
  EXPECT_GT(repeated, 0);
  ASSERT_TRUE(Eventually([&] {
    pb::GetWebhookRequest get;
    get.set_name(webhook.name());
    const auto now = Call(*admin, &Webhooks::GetWebhook, get);
    return now.ok() && now->waiting_count() == 0 && now->behind_count() == 0;
  }));
  ASSERT_OK_AND_ASSIGN(const int status, one.process.Terminate());
  EXPECT_EQ(status, 0) << one.process.Log();
}

}  // namespace
}  // namespace godwit::registry
