// How a verification ends when nothing goes as it should.
#include "absl/strings/match.h"
#include "services/replication/coordinator/store/verification_store.h"
#include "tests/pg/services/replication/fixture.h"

namespace godwit::coordinator {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::HasSubstr;

class VerificationTest : public OneServerTest {
 protected:
  void SetUp() override {
    OneServerTest::SetUp();
    if (!HasFatalFailure()) ASSERT_OK(Point(1));
  }
  // The point that answers a request.
  absl::Status Answer(const std::string& request_id) {
    return Point(2, absl::ZeroDuration(), request_id);
  }
  // A heartbeat of an agent that compares, or (with `finished`) has done so.
  absl::StatusOr<AgentAnswer> Compare(const std::string& finished = "") {
    AgentReport report;
    report.server.id = kServer1;
    report.server.boot_id = "boot";
    report.server.disks = Load(kServer1).disks;
    report.verification = {.compared_bytes = ++compared_, .finished_request_id = finished};
    return agents_->Heartbeat(report);
  }
  // A verification whose point is being made; the request of the point.
  std::string MakingPoint() {
    EXPECT_OK(verifications_->Request(kServer1, id_));
    EXPECT_OK(Compare());
    const auto answer = Compare(id_);
    EXPECT_OK(answer);
    return answer.ok() && answer->point_order ? answer->point_order->id : "";
  }
  Verification Look() {
    const auto found = verifications_->Get(kServer1, id_);
    EXPECT_OK(found);
    return found.ok() ? *found : Verification();
  }
  void ExpectFailed(const std::string& why) {
    EXPECT_EQ(Look().state, VerificationState::kFailed);
    EXPECT_THAT(Look().error_message, HasSubstr(why));
  }
  void Run(const std::string& sql) {
    auto connection = pool_->Acquire();
    ASSERT_OK((*connection)->Run(sql));
  }

  std::int64_t compared_ = 0;
  const std::string id_ = NewUuid();
};

TEST_F(VerificationTest, IsSettledOnce) {
  const std::string point = MakingPoint();
  ASSERT_OK(verifications_->Settle());
  EXPECT_EQ(Look().state, VerificationState::kMakingPoint);
  ASSERT_OK(Answer(point));
  ASSERT_OK(verifications_->Settle());
  const Verification done = Look();
  EXPECT_EQ(done.state, VerificationState::kSucceeded);
  EXPECT_TRUE(absl::StartsWith(done.report, "signed {"));
  absl::SleepFor(absl::Milliseconds(10));
  ASSERT_OK(verifications_->Settle());
  EXPECT_EQ(Look().report, done.report);
  // Nothing changes what is over.
  Verification changed = done;
  changed.root_hash = "ff";
  auto connection = pool_->Acquire();
  ASSERT_OK(store::SaveVerification(**connection, changed));
  EXPECT_EQ(Look().root_hash, done.root_hash);
}

TEST_F(VerificationTest, FailsWithItsPoint) {
  const std::string point = MakingPoint();
  AgentReport report;
  report.server.id = kServer1;
  report.server.disks = Load(kServer1).disks;
  report.point = {.request_id = point, .failed = true, .error_message = "disk on fire"};
  ASSERT_OK(agents_->Heartbeat(report));
  ASSERT_OK(verifications_->Settle());
  ExpectFailed("no point: disk on fire");
}

TEST_F(VerificationTest, FailsWhenThePointNeverComes) {
  const std::string point = MakingPoint();
  Run("update replication.point_request set deadline = now() - interval '1 second'");
  ASSERT_OK(housekeeping_->JudgeSilent());
  ASSERT_OK(verifications_->Settle());
  ExpectFailed("no point within 86400 s");
}

TEST_F(VerificationTest, FailsWhenThePointIsGoneOrHasNoRootHash) {
  ASSERT_OK(Answer(MakingPoint()));
  Run("update replication.point set root_hash = '' where epoch = 2");
  ASSERT_OK(verifications_->Settle());
  ExpectFailed("without a root hash");
}

TEST_F(VerificationTest, FailsWhenThePointWasDeleted) {
  ASSERT_OK(Answer(MakingPoint()));
  Run("update replication.point set state = 2 where epoch = 2");
  ASSERT_OK(verifications_->Settle());
  ExpectFailed("deleted before the report");
}

TEST_F(VerificationTest, FailsWhenNothingIsHeardForDays) {
  ASSERT_OK(verifications_->Request(kServer1, id_));
  Run("update replication.verification set progress_time = now() - interval '6 days'");
  ASSERT_OK(verifications_->Settle());
  EXPECT_EQ(Look().state, VerificationState::kWaiting);
  Run("update replication.verification set progress_time = now() - interval '8 days'");
  ASSERT_OK(verifications_->Settle());
  ExpectFailed("nothing was heard of it for 7 days");
}

TEST_F(VerificationTest, ASignatureThatFailsIsTriedAgain) {
  const auto broken = [](const std::string&) -> absl::StatusOr<std::string> {
    return absl::UnauthenticatedError("expired");
  };
  Verifications other(*pool_, broken, "1");
  ASSERT_OK(Answer(MakingPoint()));
  EXPECT_THAT(other.Settle(), StatusIs(absl::StatusCode::kUnauthenticated, "expired"));
  EXPECT_EQ(Look().state, VerificationState::kMakingPoint);
  ASSERT_OK(verifications_->Settle());
  EXPECT_EQ(Look().state, VerificationState::kSucceeded);
}

TEST_F(VerificationTest, TooManyPointRequestsEndItAndNotTheHeartbeat) {
  for (int i = 0; i < 100; ++i) {
    ASSERT_OK(
        points_->Request({.id = NewUuid(), .server_id = kServer1, .timeout = absl::Hours(1)}));
  }
  MakingPoint();
  ExpectFailed("too many points");
}

TEST_F(VerificationTest, AnIdIsOfOneServer) {
  ASSERT_OK(verifications_->Request(kServer1, id_));
  Start(kServer2);
  EXPECT_THAT(verifications_->Request(kServer2, id_),
              StatusIs(absl::StatusCode::kInvalidArgument, "another server"));
  EXPECT_THAT(verifications_->Get(kServer2, id_), StatusIs(absl::StatusCode::kNotFound, id_));
}

}  // namespace
}  // namespace godwit::coordinator
