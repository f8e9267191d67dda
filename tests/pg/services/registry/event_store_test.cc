// Events and deliveries in a real database: their order under concurrency, retention, claims.
#include "services/registry/storage/event_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/pg/pool.h"
#include "services/registry/storage/delivery_store.h"
#include "services/registry/storage/server_store.h"
#include "services/registry/storage/webhook_store.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_database.h"

namespace godwit::registry::storage {
namespace {

using ::godwit::testing::StatusIs;

class EventStoreTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto database = ::godwit::testing::TestDatabase::Start();
    ASSERT_OK(database);
    database_ = database->release();
    pool_ = new pg::Pool({.conninfo = database_->conninfo(), .max_connections = 12});
  }
  static void TearDownTestSuite() {
    delete pool_;
    delete database_;
  }
  void SetUp() override {
    auto lease = pool_->Acquire();
    ASSERT_OK(lease);
    connection_.emplace(*std::move(lease));
  }
  pg::Connection& connection() { return **connection_; }

  std::string NewServer() {
    const auto server =
        InsertServer(connection(), {.id = NewId("s-"), .lifecycle = Lifecycle::kReadyForTest},
                     {.event = "Enroll", .principal = "agent/x"});
    EXPECT_OK(server);
    return server.ok() ? server->id : "";
  }
  static absl::Status Change(pg::Connection& connection, const std::string& id) {
    ASSIGN_OR_RETURN(const SourceServer server, LockServer(connection, id));
    return SaveServer(connection, server, {.event = "Test", .principal = "user/admin/a"}).status();
  }
  std::int64_t Head() {
    const auto page = ReadEvents(connection(), 0, 1);
    EXPECT_OK(page);
    return page.ok() ? page->look.head : -1;
  }

  inline static ::godwit::testing::TestDatabase* database_ = nullptr;
  inline static pg::Pool* pool_ = nullptr;
  std::optional<pg::Pool::Lease> connection_;
};

// Transactions that begin, write, wait for each other's locks and end in any order: whoever reads
// meanwhile from place to place sees every event once, and those of a server in order.
TEST_F(EventStoreTest, AReaderMissesNothingWhateverTheOrderOfCommits) {
  const std::int64_t start = Head();
  std::vector<std::string> servers;
  for (int i = 0; i < 4; ++i) servers.push_back(NewServer());
  constexpr int kThreads = 8, kChanges = 60;
  std::atomic<int> changed = 0, done = 0;
  std::vector<std::thread> threads;
  const absl::Time began = absl::Now();
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < kChanges; ++i) {
        const bool fails = random() % 5 == 0;
        const std::string& server = servers[random() % servers.size()];
        const absl::Duration pause = absl::Microseconds(random() % 2000);
        const absl::Status status =
            pool_->InTransaction([&](pg::Transaction& transaction) -> absl::Status {
              // A number of the transaction long before its first event.
              RETURN_IF_ERROR(transaction.connection().Run("select pg_current_xact_id()"));
              absl::SleepFor(pause);
              RETURN_IF_ERROR(Change(transaction.connection(), server));
              absl::SleepFor(pause);
              return fails ? absl::CancelledError("rolled back") : absl::OkStatus();
            });
        if (!fails) {
          EXPECT_OK(status);
          ++changed;
        }
      }
      ++done;
    });
  }
  std::int64_t place = start;
  std::map<std::string, std::int64_t> versions;
  int seen = 0;
  while (true) {
    const bool last = done == kThreads;
    const auto page = ReadEvents(connection(), place, 7);
    ASSERT_OK(page);
    for (const auto& event : page->events) {
      EXPECT_EQ(event->sequence, ++place);
      EXPECT_EQ(event->version, ++versions[event->server_id]) << event->sequence;
      ++seen;
    }
    if (last && page->events.empty()) break;
  }
  const absl::Duration took = absl::Now() - began;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen, changed + static_cast<int>(servers.size()));
  EXPECT_EQ(place, Head());
  std::cout << seen << " events of " << kThreads << " writers in order, "
            << static_cast<int>(seen / absl::ToDoubleSeconds(took)) << " a second" << std::endl;
}

TEST_F(EventStoreTest, ForgetsTheOldestWithoutGaps) {
  const std::string server = NewServer();
  for (int i = 0; i < 30; ++i) ASSERT_OK(Change(connection(), server));
  const std::int64_t head = Head();
  ASSERT_OK_AND_ASSIGN(const std::int64_t none, ForgetOldEvents(connection(), {}));
  EXPECT_EQ(none, 0);
  ASSERT_OK_AND_ASSIGN(const std::int64_t gone,
                       ForgetOldEvents(connection(), {.age = absl::Hours(1), .count = 10}));
  EXPECT_EQ(gone, head - 10);
  ASSERT_OK_AND_ASSIGN(const EventPage page, ReadEvents(connection(), head - 10, 100));
  EXPECT_EQ(page.events.size(), 10u);
  EXPECT_OK(CheckEventToken({.stream = page.look.stream, .sequence = head - 10}, page.look));
  ASSERT_OK_AND_ASSIGN(const EventPage old, ReadEvents(connection(), head - 11, 100));
  EXPECT_THAT(CheckEventToken({.stream = old.look.stream, .sequence = head - 11}, old.look),
              StatusIs(absl::StatusCode::kOutOfRange, "not kept"));
  ASSERT_OK(
      connection().Run("update registry.event set time = time - interval '2 hours'"
                       " where sequence <= (select sequence - 4 from registry.event_head)"));
  ASSERT_OK_AND_ASSIGN(const std::int64_t aged,
                       ForgetOldEvents(connection(), {.age = absl::Hours(1)}));
  EXPECT_EQ(aged, 6);
  ASSERT_OK_AND_ASSIGN(const std::int64_t rest,
                       ForgetOldEvents(connection(), {.age = -absl::Hours(1)}));
  EXPECT_EQ(rest, 4);
  // The numbers go on.
  ASSERT_OK(Change(connection(), server));
  EXPECT_EQ(Head(), head + 1);
}

TEST_F(EventStoreTest, DeliveriesOfAResourceLeaveOneAfterAnother) {
  ASSERT_OK_AND_ASSIGN(const Webhook webhook,
                       InsertWebhook(connection(), {.id = NewId("wh-"),
                                                    .url = "https://example.org/",
                                                    .wrapped_secret = std::string(60, 'x'),
                                                    .master_key = "mk"}));
  for (const auto& [sequence, resource] :
       std::map<int, std::string>{{1, "a"}, {2, "a"}, {3, "b"}, {4, "a"}}) {
    ASSERT_OK(InsertDelivery(connection(), {.webhook_id = webhook.id,
                                            .sequence = sequence,
                                            .event_id = NewUuid(),
                                            .type = 1,
                                            .resource = resource,
                                            .body = "{}"}));
  }
  const DeliveryTerms terms{.lease = absl::Hours(1), .retry_time = absl::Hours(1)};
  const DeliveryTerms over{.lease = absl::ZeroDuration(), .retry_time = absl::ZeroDuration()};
  const auto claim = [&](const DeliveryTerms& with) {
    const auto delivery = ClaimDelivery(connection(), {}, with);
    EXPECT_OK(delivery);
    return delivery.ok() ? *delivery : std::nullopt;
  };
  const auto none = ClaimDelivery(connection(), {webhook.id}, terms);
  ASSERT_OK(none);
  EXPECT_FALSE(none->has_value());
  const auto first = claim(over), third = claim(terms);
  ASSERT_TRUE(first && third);
  // A lease that is over: somebody else takes it, and who had it writes nothing any more.
  const auto again = claim(terms);
  ASSERT_TRUE(again);
  EXPECT_EQ((std::set<std::int64_t>{first->sequence, third->sequence, again->sequence}),
            (std::set<std::int64_t>{1, 3}));
  EXPECT_FALSE(claim(terms));  // 2 and 4 wait for 1
  const Delivery& stale = first->sequence == again->sequence ? *first : *third;
  ASSERT_OK(MarkDelivered(connection(), stale));
  EXPECT_FALSE(claim(terms));
  ASSERT_OK(MarkDelivered(connection(), *again));
  const Delivery& other = first->sequence == again->sequence ? *third : *first;
  ASSERT_OK(MarkDelivered(connection(), other));
  const auto second = claim(over);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->sequence, 2);
  // Its time is over: it is parked, and the one behind it waits until it is resumed or dropped.
  ASSERT_OK_AND_ASSIGN(const DeliveryState state,
                       MarkDeliveryFailed(connection(), *second, absl::Seconds(1)));
  EXPECT_EQ(state, DeliveryState::kParked);
  EXPECT_FALSE(claim(terms));
  ASSERT_OK_AND_ASSIGN(const std::int64_t resumed,
                       ResumeDeliveries(connection(), webhook.id, "", false));
  EXPECT_EQ(resumed, 1);
  const auto retried = claim(terms);
  ASSERT_TRUE(retried);
  EXPECT_EQ(retried->sequence, 2);
  ASSERT_OK(GiveBackDelivery(connection(), *retried));
  const auto parked_again = claim(over);
  ASSERT_TRUE(parked_again);
  EXPECT_EQ(parked_again->attempt_count, retried->attempt_count);
  ASSERT_OK(MarkDeliveryFailed(connection(), *parked_again, absl::ZeroDuration()).status());
  // Its hour of above is not over.
  ASSERT_OK_AND_ASSIGN(const WebhookLoad load, LoadOfWebhooks(connection(), webhook.id));
  EXPECT_EQ(load.waiting, 2);
  EXPECT_EQ(load.parked, 0);
  ASSERT_OK(connection().Run("update registry.webhook_delivery set state = 3 where sequence = 2"));
  ASSERT_OK_AND_ASSIGN(const std::int64_t dropped,
                       ResumeDeliveries(connection(), webhook.id, "a", true));
  EXPECT_EQ(dropped, 1);
  const auto last = claim(terms);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->sequence, 4);
  ASSERT_OK(DeleteWebhook(connection(), webhook.id));
  EXPECT_FALSE(claim(terms));
}

}  // namespace
}  // namespace godwit::registry::storage
