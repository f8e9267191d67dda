// Replications of deleted servers go, with all that hangs on them; those that are anybody's stay.
#include "services/replication/coordinator/engine/forget_servers.h"

#include <functional>

#include "absl/strings/str_cat.h"
#include "tests/pg/services/replication/fixture.h"

namespace godwit::coordinator {
namespace {

using ::godwit::testing::StatusIs;

constexpr absl::Duration kAge = absl::Hours(7 * 24);
constexpr char kSpent[] =
    "insert into replication.server (id, wish, state, staging_removed, unassigned_since,"
    " update_time) select 's-' || lpad(to_hex(n), 17, '0'), 4, 10, true, null,"
    " now() - interval '8 days' from generate_series(";

class ForgetTest : public OneServerTest {
 protected:
  void Run(const std::string& sql) {
    auto connection = pool_->Acquire();
    ASSERT_OK(connection);
    ASSERT_OK((*connection)->Run(sql));
  }
  std::int64_t Count(const std::string& table) {
    auto connection = pool_->Acquire();
    EXPECT_OK(connection);
    const std::string sql = "select count(*) from replication." + table;
    const auto found = (*connection)->Exec({table.c_str(), sql.c_str()});
    EXPECT_OK(found);
    return found.ok() ? found->Int(0, 0) : -1;
  }
  // Until the staging of the first server is removed, as its worker does it.
  void Disconnect() {
    ASSERT_OK(servers_->End(kServer1, NewUuid(), {}));
    const absl::Time give_up = absl::Now() + absl::Seconds(30);
    while (!Load(kServer1).staging_removed) {
      ASSERT_LT(absl::Now(), give_up);
      Place();
      const auto beat = Beat(kWorker1, incarnation_);
      ASSERT_OK(beat);
      for (const auto& order : beat->orders) {
        ASSERT_OK(workers_->ReportOrder(
            {.worker_id = kWorker1, .incarnation = incarnation_, .order_id = order.id}));
      }
      absl::SleepFor(absl::Milliseconds(50));
    }
  }
};

TEST_F(ForgetTest, ASpentReplicationGoesWithAllThatHangsOnIt) {
  ASSERT_OK(Point(1));
  Run(
      absl::StrCat("insert into replication.clone (id, request_id, server_id, point_id, state)"
                   " select 'c-00000000000000001', gen_random_uuid(), server_id, id, 5"
                   " from replication.point"));
  Disconnect();
  ASSERT_GT(Count("server_history"), 0);
  ASSERT_EQ(Count("disk"), 1);
  ASSERT_OK(ForgetServers(*pool_, registry_, kAge));
  EXPECT_EQ(Count("server"), 1) << "it ended just now";
  Run("update replication.server set update_time = now() - interval '8 days'");

  registry_.Set(kServer1, {});
  ASSERT_OK(ForgetServers(*pool_, registry_, kAge));
  EXPECT_EQ(Count("server"), 1) << "the registry knows it";
  registry_.SetReachable(false);
  EXPECT_THAT(ForgetServers(*pool_, registry_, kAge),
              StatusIs(absl::StatusCode::kUnavailable, "away"));
  EXPECT_EQ(Count("server"), 1) << "nobody knows whether the registry knows it";

  ::godwit::testing::FakeRegistry deleted;
  ASSERT_OK(ForgetServers(*pool_, deleted, kAge));
  for (const char* table : {"server", "server_history", "disk", "point", "clone", "outbox",
                            "worker_order", "point_request"}) {
    EXPECT_EQ(Count(table), 0) << table;
  }
}

TEST_F(ForgetTest, WhatIsStillOfUseStaysHoweverMuchGoes) {
  // The first server replicates. All others are unknown to the registry, too.
  Run(absl::StrCat(kSpent, "16, 19) n"));
  Run("update replication.server set update_time = now() - interval '8 days'");
  Run("update replication.server set store_id = 'store-1' where id = 's-00000000000000010'");
  Run("update replication.server set old_store_ids = '{store-2}' where id = 's-00000000000000011'");
  Run("insert into replication.clone (id, request_id, server_id, state)"
      " values ('c-00000000000000001', gen_random_uuid(), 's-00000000000000012', 3)");
  Run("insert into replication.verification (id, server_id, state, close_time)"
      " values (gen_random_uuid(), 's-00000000000000013', 5, now())");
  ASSERT_OK(ForgetServers(*pool_, registry_, kAge));
  EXPECT_EQ(Count("server"), 5);
  Run("delete from replication.verification");
  ASSERT_OK(ForgetServers(*pool_, registry_, kAge));
  EXPECT_EQ(Count("server"), 4) << "the verification is over";

  // Many go in batches, whatever the registry keeps of them.
  Run(absl::StrCat(kSpent, "1000, 1349) n"));
  for (int n = 1000; n < 1000 + 130; ++n) {
    registry_.Set(absl::StrCat("s-", absl::Hex(n, absl::kZeroPad17)), {});
  }
  ASSERT_OK(ForgetServers(*pool_, registry_, kAge));
  EXPECT_EQ(Count("server"), 4 + 130);
}

// Does something between the question to the registry and the deletion.
class MeanwhileRegistry final : public Registry {
 public:
  explicit MeanwhileRegistry(std::function<void()> meanwhile) : meanwhile_(std::move(meanwhile)) {}
  std::vector<absl::StatusOr<ServerFacts>> Describe(const std::vector<std::string>& ids) override {
    meanwhile_();
    return std::vector<absl::StatusOr<ServerFacts>>(ids.size(), absl::NotFoundError("gone"));
  }
  absl::Status ReportInitialSyncDone(const std::string&, const std::string&,
                                     const std::string&) override {
    return absl::OkStatus();
  }

 private:
  std::function<void()> meanwhile_;
};

TEST_F(ForgetTest, OneThatIsStartedMeanwhileStays) {
  Run(absl::StrCat(kSpent, "16, 17) n"));
  MeanwhileRegistry started(
      [this] { ASSERT_OK(servers_->Start("s-00000000000000010", NewUuid())); });
  ASSERT_OK(ForgetServers(*pool_, started, kAge));
  EXPECT_EQ(Load("s-00000000000000010").wish, Wish::kReplicate);
  EXPECT_EQ(Count("server"), 2) << "the other one went";

  Run(absl::StrCat(kSpent, "17, 17) n"));
  // Somebody is at it and has not committed yet: nobody waits for him.
  auto connection = pool_->Acquire();
  ASSERT_OK(connection);
  auto transaction = pg::Transaction::Begin(**connection);
  ASSERT_OK(transaction);
  MeanwhileRegistry locked(
      [&] { ASSERT_OK(store::LockServer(**connection, "s-00000000000000011")); });
  ASSERT_OK(ForgetServers(*pool_, locked, kAge));
  ASSERT_OK(store::StartServer(**connection, "s-00000000000000011"));
  ASSERT_OK(std::move(*transaction).Commit());
  EXPECT_EQ(Load("s-00000000000000011").wish, Wish::kReplicate);

  // The other way round: the row went first, and a start makes a new one.
  Run(absl::StrCat(kSpent, "18, 18) n"));
  ASSERT_OK(ForgetServers(*pool_, registry_, kAge));
  EXPECT_EQ(Count("server"), 3);
  ASSERT_OK(servers_->Start("s-00000000000000012", NewUuid()));
  EXPECT_EQ(Load("s-00000000000000012").wish, Wish::kReplicate);
  EXPECT_EQ(Load("s-00000000000000012").generation, 0);
}

}  // namespace
}  // namespace godwit::coordinator
