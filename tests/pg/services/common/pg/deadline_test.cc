// Whoever works on behalf of a caller waits for the database no longer than the caller does, and
// what was given up ends at the server, too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "services/common/base/clock.h"
#include "services/common/base/deadline_scope.h"
#include "services/common/pg/pool.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_database.h"

namespace godwit::pg {
namespace {

constexpr absl::Duration kShort = absl::Milliseconds(300);
constexpr absl::Duration kSoon = absl::Seconds(10);  // on a busy machine; the locks last longer
constexpr Statement kTouch = {"touch", "UPDATE bird SET egg = egg + 1 WHERE id = $1::int"};
constexpr Statement kCount = {"count", "SELECT sum(egg) FROM bird"};
constexpr Statement kWaiting = {
    "waiting", "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"};

class DeadlineTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto started = ::godwit::testing::TestDatabase::Start();
    ASSERT_OK(started);
    database_ = started->release();
    ASSERT_OK_AND_ASSIGN(const auto connection, Connection::Open(database_->conninfo()));
    ASSERT_OK(connection->Run(
        "CREATE TABLE bird (id int, egg int); INSERT INTO bird VALUES (1, 0), (2, 0)"));
  }
  static void TearDownTestSuite() { delete database_; }
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(other_, Connection::Open(database_->conninfo()));
    ASSERT_OK(other_->Run("BEGIN; SELECT FROM bird WHERE id = 1 FOR UPDATE"));
    began_ = RealClock().Monotonic();
  }
  absl::Duration Took() const { return RealClock().Monotonic() - began_; }

  inline static ::godwit::testing::TestDatabase* database_ = nullptr;
  std::unique_ptr<Connection> other_;  // holds the row of bird 1
  absl::Duration began_;
};

TEST(DeadlineScopeTest, TheEarlierOneHolds) {
  EXPECT_EQ(TimeLeft(), absl::InfiniteDuration());
  {
    const DeadlineScope outer(absl::Seconds(50));
    const DeadlineScope inner(absl::Seconds(100));
    EXPECT_LE(TimeLeft(), absl::Seconds(50));
    EXPECT_GT(TimeLeft(), absl::Seconds(10));
    const DeadlineScope over(-absl::Seconds(1));
    EXPECT_EQ(TimeLeft(), absl::ZeroDuration());
  }
  EXPECT_EQ(TimeLeft(), absl::InfiniteDuration());
}

TEST_F(DeadlineTest, ALockedRowIsWaitedForAsLongAsTheCallerWaits) {
  Pool pool({.conninfo = database_->conninfo(), .max_connections = 2});
  {
    const DeadlineScope scope(kShort);
    EXPECT_THAT(pool.Exec(kTouch, {"1"}),
                ::godwit::testing::StatusIs(absl::StatusCode::kDeadlineExceeded, "touch"));
    EXPECT_GE(Took(), kShort);
    EXPECT_LT(Took(), kSoon);
    // Nothing more is begun on behalf of the caller.
    EXPECT_FALSE(pool.Exec(kTouch, {"2"}).ok());
  }
  ASSERT_OK_AND_ASSIGN(const Result touched, pool.Exec(kTouch, {"2"}));
  EXPECT_EQ(touched.affected(), 1);
  // The server's side gives up as well, long before its own limit of 30 s.
  std::int64_t waiting = 1;
  while (waiting != 0 && Took() < kSoon) {
    ASSERT_OK_AND_ASSIGN(const Result found, pool.Exec(kWaiting));
    waiting = found.Int(0, 0);
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_EQ(waiting, 0);
}

TEST_F(DeadlineTest, ATransactionOverTimeLeavesNothing) {
  Pool pool({.conninfo = database_->conninfo(), .max_connections = 1});
  ASSERT_OK_AND_ASSIGN(const Result before, pool.Exec(kCount));
  {
    const DeadlineScope scope(kShort);
    const absl::Status status = pool.InTransaction([&](Transaction& transaction) -> absl::Status {
      absl::Status touched = transaction.Exec(kTouch, {"2"}).status();
      if (touched.ok()) absl::SleepFor(kShort * 2);
      return touched;  // the commit comes too late
    });
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  }
  ASSERT_OK_AND_ASSIGN(const Result after, pool.Exec(kCount));
  EXPECT_EQ(after.Int(0, 0), before.Int(0, 0));
  EXPECT_EQ(pool.load().open, 1);
}

TEST_F(DeadlineTest, APoolOfBusyConnectionsIsWaitedForAsLongAsTheCallerWaits) {
  Pool pool({.conninfo = database_->conninfo(), .max_connections = 1});
  ASSERT_OK_AND_ASSIGN(const Pool::Lease taken, pool.Acquire());
  const DeadlineScope scope(kShort);
  EXPECT_EQ(pool.Exec(kCount).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_LT(Took(), kSoon);
}

// Without a caller the pool's own limits hold.
TEST_F(DeadlineTest, ALimitOfLocks) {
  Pool pool({.conninfo = database_->conninfo(), .limits = {.lock = kShort}});
  EXPECT_EQ(pool.Exec(kTouch, {"1"}).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_LT(Took(), kSoon);
  EXPECT_EQ(pool.load().open, 1) << "the connection is still good";
}

}  // namespace
}  // namespace godwit::pg
