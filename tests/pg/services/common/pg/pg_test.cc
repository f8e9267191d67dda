#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "services/common/pg/migrate.h"
#include "services/common/pg/pool.h"
#include "services/common/pg/probe.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_database.h"

namespace godwit::pg {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PgTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(database_, ::godwit::testing::TestDatabase::Start());
  }
  std::unique_ptr<::godwit::testing::TestDatabase> database_;
};

TEST_F(PgTest, CarriesEveryKindOfValue) {
  ASSERT_OK_AND_ASSIGN(const auto connection, Connection::Open(database_->conninfo()));
  const std::string bytes("\0\xff\\x'", 5);
  constexpr Statement kEcho = {
      "echo",
      "SELECT $1::text, $2::bigint, $3::bool, $4::bytea, $5::text, "
      "(extract(epoch FROM to_timestamp($6::bigint / 1e6)) * 1e6)::bigint"};
  const absl::Time time = absl::FromUnixMicros(1780000000123456);
  ASSERT_OK_AND_ASSIGN(const Result result,
                       connection->Exec(kEcho, {"it's", "-7", "true", BytesParam(bytes),
                                                std::nullopt, Micros(time)}));
  EXPECT_EQ(result.Text(0, 0), "it's");
  EXPECT_EQ(result.Int(0, 1), -7);
  EXPECT_TRUE(result.Bool(0, 2));
  EXPECT_EQ(result.Bytes(0, 3), bytes);
  EXPECT_TRUE(result.IsNull(0, 4));
  EXPECT_EQ(result.Time(0, 5), time);
}

// The fake host's clock is years behind: after the first look the database's counts.
TEST_F(PgTest, AProbeTeachesTheDatabasesTime) {
  FakeClock host;
  DatabaseClock clock(host);
  EXPECT_EQ(clock.Now(), host.Now());
  EXPECT_EQ(clock.HostAhead(), absl::ZeroDuration());
  Probe probe(database_->conninfo(), &clock);
  ASSERT_OK(probe.Check());
  EXPECT_LT(absl::AbsDuration(clock.Now() - absl::Now()), absl::Minutes(1));
  EXPECT_LT(clock.HostAhead(), -absl::Hours(24 * 300));
  host.Advance(absl::Hours(1));
  EXPECT_GT(clock.Now(), absl::Now() + absl::Minutes(59)) << "carried on by the monotonic clock";
  // An answer that took long says little.
  const absl::Time before = clock.Now();
  clock.Learn(absl::UnixEpoch(), host.Monotonic() - absl::Seconds(2));
  EXPECT_EQ(clock.Now(), before);
}

TEST_F(PgTest, MigratesOnceRefusesChangedFilesAndNewerDatabases) {
  ASSERT_OK_AND_ASSIGN(const auto connection, Connection::Open(database_->conninfo()));
  const Migration one{"birds", 1, "0001_one", "CREATE TABLE nest (egg int)"};
  const Migration two{"birds", 2, "0002_two", "ALTER TABLE nest ADD colour text"};
  EXPECT_THAT(*Migrate(*connection, {one, two}), ElementsAre("birds/0001_one", "birds/0002_two"));
  EXPECT_THAT(*Migrate(*connection, {one, two}), IsEmpty());
  EXPECT_THAT(Migrate(*connection, {one}).status(),
              ::godwit::testing::StatusIs(absl::StatusCode::kFailedPrecondition, "newer"));
  const Migration changed{"birds", 1, "0001_one", "CREATE TABLE nest (egg bigint)"};
  EXPECT_THAT(
      Migrate(*connection, {changed, two}).status(),
      ::godwit::testing::StatusIs(absl::StatusCode::kFailedPrecondition, "another content"));
  const Migration broken{"birds", 3, "0003_broken", "CREATE TABLE a (b int); SELECT 1/0"};
  EXPECT_FALSE(Migrate(*connection, {one, two, broken}).ok());
  EXPECT_OK(
      connection->Run("CREATE TABLE birds.a (b int)"));  // nothing of a failed migration stays
}

TEST_F(PgTest, ATransactionThatFailsLeavesNothing) {
  Pool pool({.conninfo = database_->conninfo()});
  ASSERT_OK((*pool.Acquire())->Run("CREATE TABLE t (a int PRIMARY KEY)"));
  constexpr Statement kInsert = {"insert_t", "INSERT INTO t VALUES ($1::int)"};
  constexpr Statement kCount = {"count_t", "SELECT count(*) FROM t"};
  EXPECT_FALSE(pool.InTransaction([&](Transaction& transaction) -> absl::Status {
                     EXPECT_OK(transaction.Exec(kInsert, {"1"}).status());
                     return absl::InternalError("changed my mind");
                   })
                   .ok());
  EXPECT_EQ((*pool.Exec(kCount)).Int(0, 0), 0);
  EXPECT_OK(pool.InTransaction(
      [&](Transaction& transaction) { return transaction.Exec(kInsert, {"1"}).status(); }));
  EXPECT_EQ(pool.Exec(kInsert, {"1"}).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ((*pool.Exec(kCount)).Int(0, 0), 1);
}

TEST_F(PgTest, ThePoolHealsAfterTheServerReturns) {
  Pool pool({.conninfo = database_->conninfo()});
  constexpr Statement kOne = {"one", "SELECT 1"};
  ASSERT_OK(pool.Exec(kOne).status());
  ASSERT_OK(database_->Stop());
  EXPECT_EQ(pool.Exec(kOne).status().code(), absl::StatusCode::kUnavailable);
  ASSERT_OK(database_->Restart());
  EXPECT_OK(pool.Exec(kOne).status());
}

TEST_F(PgTest, ThePoolIsBounded) {
  Pool pool({.conninfo = database_->conninfo(),
             .max_connections = 1,
             .acquire_timeout = absl::Milliseconds(50)});
  ASSERT_OK_AND_ASSIGN(auto held, pool.Acquire());
  EXPECT_EQ(pool.Acquire().status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace godwit::pg
