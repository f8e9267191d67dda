// Connecting to PostgreSQL takes no longer than the caller waits, and a host that says nothing
// leaves time for the next one.
#include "services/common/pg/connect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/clock.h"
#include "services/common/base/deadline_scope.h"
#include "services/common/pg/pool.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tcp_listener.h"
#include "tests/support/test_database.h"

namespace godwit::pg {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::HasSubstr;

constexpr absl::Duration kShort = absl::Milliseconds(300);
// libpq's own limit of connecting is not less than this.
constexpr absl::Duration kLeastOfLibpq = absl::Seconds(2);

class ConnectTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto started = ::godwit::testing::TestDatabase::Start();
    ASSERT_OK(started);
    database_ = started->release();
  }
  static void TearDownTestSuite() { delete database_; }
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(silent_, ::godwit::testing::TcpListener::Open());
    began_ = RealClock().Monotonic();
  }
  absl::Duration Took() const { return RealClock().Monotonic() - began_; }
  // To these hosts and ports instead of the database's own.
  static std::string To(absl::string_view hosts, absl::string_view ports) {
    return absl::StrCat(database_->conninfo(), " host=", hosts, " port=", ports);
  }
  static std::string Port() { return PQport(Connect(database_->conninfo(), "")->get()); }

  inline static ::godwit::testing::TestDatabase* database_ = nullptr;
  ::godwit::testing::TcpListener silent_;  // takes connections, says nothing
  absl::Duration began_;
};

TEST_F(ConnectTest, ASilentServerIsWaitedForAsLongAsTheCallerWaits) {
  const DeadlineScope scope(kShort);
  EXPECT_THAT(Connect(To("127.0.0.1", absl::StrCat(silent_.port())), "").status(),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "no answer within"));
  EXPECT_GE(Took(), kShort);
  EXPECT_LT(Took(), kLeastOfLibpq);
  EXPECT_TRUE(silent_.WasReached());
}

TEST_F(ConnectTest, NobodyIsAskedWhenTheTimeIsOver) {
  const DeadlineScope scope(absl::ZeroDuration());
  EXPECT_THAT(Connect(To("127.0.0.1", absl::StrCat(silent_.port())), "").status(),
              StatusIs(absl::StatusCode::kDeadlineExceeded, "the caller's time is over"));
  EXPECT_FALSE(silent_.WasReached());
}

TEST_F(ConnectTest, ASilentHostLeavesTimeForTheNextOne) {
  const std::string port = Port();
  const DeadlineScope scope(absl::Seconds(2));
  ASSERT_OK_AND_ASSIGN(
      const Handle handle,
      Connect(To("127.0.0.1,localhost", absl::StrCat(silent_.port(), ",", port)), ""));
  EXPECT_TRUE(silent_.WasReached());
  EXPECT_EQ(PQport(handle.get()), port);
  EXPECT_STREQ(PQhost(handle.get()), "localhost");
}

TEST_F(ConnectTest, AStandbyIsPassedOver) {
  ASSERT_OK_AND_ASSIGN(const auto standby, ::godwit::testing::TestDatabase::Start());
  ASSERT_OK_AND_ASSIGN(const auto connection, Connection::Open(standby->conninfo()));
  ASSERT_OK(connection->Run("ALTER SYSTEM SET default_transaction_read_only = on"));
  ASSERT_OK(connection->Run("SELECT pg_reload_conf()"));
  const std::string port = Port();
  const std::string other = PQport(Connect(standby->conninfo(), "")->get());
  const std::string wanted = To("127.0.0.1,127.0.0.1", absl::StrCat(other, ",", port));
  // It takes a moment until it is read-only: before, it is as good as the other one.
  std::string found;
  while (found != port && Took() < absl::Seconds(30)) {
    ASSERT_OK_AND_ASSIGN(const Handle handle,
                         Connect(wanted + " target_session_attrs=read-write", ""));
    found = PQport(handle.get());
  }
  EXPECT_EQ(found, port);
  ASSERT_OK_AND_ASSIGN(const Handle any, Connect(wanted, ""));
  EXPECT_EQ(PQport(any.get()), other) << "control: without it the first one is taken";
}

TEST_F(ConnectTest, SaysWhyOfEveryHost) {
  ASSERT_OK_AND_ASSIGN(auto closed, ::godwit::testing::TcpListener::Open());
  const std::string port = absl::StrCat(closed.port());
  closed = {};
  const absl::Status status = Connect(To("127.0.0.1,nowhere.invalid", port), "").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("refused"));
  EXPECT_THAT(status.message(), HasSubstr("nowhere.invalid"));
  // What libpq does not take is refused in its own words.
  for (const char* wrong : {" port=1,2,3", " color=red"}) {
    EXPECT_THAT(Connect(database_->conninfo() + wrong, "").status(),
                StatusIs(absl::StatusCode::kUnavailable, "PostgreSQL: "))
        << wrong;
  }
}

// Stores lock rows and judge what they read then: a snapshot of before would have them fail or
// repeat for nothing (docs/decisions/0049).
TEST_F(ConnectTest, TransactionsAreReadCommittedWhateverIsSetForTheDatabase) {
  const auto isolation = [](PGconn* connection) -> std::string {
    PGresult* const result = PQexec(connection, "SHOW transaction_isolation");
    const std::string text = PQgetvalue(result, 0, 0);
    PQclear(result);
    return text;
  };
  Pool pool({.conninfo = database_->conninfo()});
  constexpr Statement kShow = {"show", "SHOW transaction_isolation"};
  ASSERT_OK((*pool.Acquire())
                ->Run("ALTER DATABASE godwit SET default_transaction_isolation = "
                      "'serializable'"));
  Pool later({.conninfo = database_->conninfo()});
  const auto shown = later.Exec(kShow);
  const auto plain = Connect(database_->conninfo(), "");
  ASSERT_OK((*pool.Acquire())->Run("ALTER DATABASE godwit RESET default_transaction_isolation"));
  ASSERT_OK(shown);
  ASSERT_OK(plain);
  EXPECT_EQ(shown->Text(0, 0), "read committed");
  EXPECT_EQ(isolation(plain->get()), "serializable") << "control: the database's own default";
}

}  // namespace
}  // namespace godwit::pg
