// The step that takes a point, while the agent is there and while it is away.
#include <map>
#include <set>

#include "services/jobs/app/facts.h"
#include "services/jobs/steps/steps.h"
#include "tests/pg/services/jobs/store_fixture.h"

namespace godwit::jobs {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// A coordinator whose agent comes back when the test says so.
class Coordinator final : public ReplicationPort {
 public:
  PointProgress::State state = PointProgress::State::kWaiting;
  std::set<std::string> requests;
  int looks = 0;

  absl::StatusOr<PointProgress> RequestPoint(const PointOrder& order) override {
    requests.insert(order.request_id);
    return PointProgress{.name = order.request_id};  // as at first
  }
  absl::StatusOr<PointProgress> GetPointRequest(const std::string& name) override {
    ++looks;
    return PointProgress{.state = state,
                         .name = name,
                         .point = {.name = "sourceServers/s/points/p"},
                         .error = "no point within 600 s; the agent has not taken it up"};
  }
  absl::StatusOr<PointInfo> GetPoint(const std::string&) override { return None(); }
  absl::StatusOr<PointInfo> NewestPoint(const std::string&) override {
    return PointInfo{.name = "sourceServers/s/points/older"};
  }
  absl::StatusOr<CloneInfo> CreateClone(const std::string&, const std::string&) override {
    return None();
  }
  absl::Status DeleteClone(const std::string&) override { return None(); }

 private:
  static absl::Status None() { return absl::UnimplementedError("not asked for"); }
};

class NoRegistry final : public RegistryPort {
 public:
  absl::StatusOr<ServerInfo> GetServer(const std::string&) override { return ServerInfo(); }
  absl::Status ReportLaunch(const LaunchReport&) override { return absl::OkStatus(); }
};

class NoConversion final : public ConversionPort {
 public:
  absl::StatusOr<ConversionProgress> CreateTask(const ConversionOrder&) override { return Done(); }
  absl::StatusOr<ConversionProgress> GetTask(const std::string&) override { return Done(); }
  absl::StatusOr<ConversionProgress> CancelTask(const std::string&) override { return Done(); }

 private:
  static ConversionProgress Done() { return {.state = ConversionProgress::State::kSucceeded}; }
};

class TakePointTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    const NewJob job = MakeJob(NewServers(1), JobType::kTestLaunch, {"take_point"});
    ASSERT_OK_AND_ASSIGN(job_, store_->Create(job, {}));
  }
  // Does what a runner does with the run when it is due. How long the runner was held.
  absl::StatusOr<absl::Duration> RunOnce() {
    const Environment environment{.store = *store_,
                                  .registry = registry_,
                                  .replication = coordinator_,
                                  .conversion = conversion_,
                                  .targets = {},
                                  .ssh = {}};
    const Plans plans = PlanOf(MakeTakePoint(environment));
    const std::atomic<bool> stopping{false};
    Executor executor(*store_, clock_, plans, stopping);
    const absl::Time give_up = absl::Now() + absl::Seconds(60);
    while (absl::Now() < give_up) {
      auto runs = store_->Claim(Share(0));
      if (!runs.ok()) return runs.status();
      if (runs->empty()) {
        absl::SleepFor(absl::Milliseconds(20));
        continue;
      }
      ServerRun& run = runs->front();
      const absl::Duration begun = clock_.Monotonic();
      const HeldLease lease(LeaseOf(run), absl::Minutes(10), begun, clock_);
      const absl::Status executed = executor.Execute(std::move(run), lease);
      if (!executed.ok()) return executed;
      return clock_.Monotonic() - begun;
    }
    return absl::DeadlineExceededError("the run was never due");
  }
  ServerRun Now() { return store_->Get(job_.id)->runs[0]; }

  FakeClock clock_;
  Coordinator coordinator_;
  NoRegistry registry_;
  NoConversion conversion_;
  Job job_;
};

TEST_F(TakePointTest, HoldsItsRunnerForSecondsAndThenNotAtAll) {
  ASSERT_OK_AND_ASSIGN(const absl::Duration first, RunOnce());
  EXPECT_GE(first, absl::Seconds(5));
  EXPECT_LE(first, absl::Seconds(7));
  EXPECT_THAT(*store_->Claim(Share(0)), IsEmpty()) << "it pauses";
  EXPECT_EQ(Now().steps[0].state, StepState::kRunning);
  EXPECT_NE(Now().steps[0].message.find("away or busy"), std::string::npos);
  clock_.Advance(absl::Seconds(3));
  const int looks = coordinator_.looks;
  ASSERT_OK_AND_ASSIGN(const absl::Duration second, RunOnce());
  EXPECT_EQ(second, absl::ZeroDuration());
  EXPECT_EQ(coordinator_.looks, looks + 1);
  EXPECT_EQ(Now().steps[0].attempts, 1);
  coordinator_.state = PointProgress::State::kSucceeded;
  ASSERT_OK(RunOnce());
  EXPECT_EQ(store_->Get(job_.id)->state, JobState::kSucceeded);
  EXPECT_EQ(GetFact(Now().outputs, kFactPoint), "sourceServers/s/points/p");
  EXPECT_THAT(coordinator_.requests, SizeIs(1)) << "it is one request all the time";
}

TEST_F(TakePointTest, ATestUsesTheNewestPointWhenTheAgentDoesNotComeBack) {
  ASSERT_OK(RunOnce());
  coordinator_.state = PointProgress::State::kFailed;  // the coordinator's patience is over
  ASSERT_OK(RunOnce());
  EXPECT_EQ(store_->Get(job_.id)->state, JobState::kSucceeded);
  EXPECT_EQ(GetFact(Now().outputs, kFactPoint), "sourceServers/s/points/older");
}

TEST_F(TakePointTest, DoesNotWaitForEverForACoordinatorThatForgets) {
  ASSERT_OK(RunOnce());
  clock_.Advance(absl::Minutes(16));
  ASSERT_OK(RunOnce());
  EXPECT_EQ(Now().tries, 1) << "from now on it is a failure";
  EXPECT_NE(Now().steps[0].message.find("SNAPSHOT_FAILED"), std::string::npos);
}

}  // namespace
}  // namespace godwit::jobs
