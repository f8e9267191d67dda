// The job store on a real PostgreSQL: claims, leases, epochs, cancelling, idempotency.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <thread>

#include "services/common/base/ids.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/storage/pg_job_store.h"
#include "tests/pg/services/jobs/new_job.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_database.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using ServerRun = Run;  // fixtures have a Run of their own

const std::vector<JobType> kTypes = {JobType::kTestLaunch, JobType::kTerminate, JobType::kCleanUp};
constexpr absl::Duration kLong = absl::Minutes(10);
constexpr JobQuotas kQuotas = {.concurrent_jobs = 10};

ClaimOrder Due(absl::Duration ttl = kLong, int limit = 1) {
  return {.types = kTypes, .owner = "me", .ttl = ttl, .limit = limit};
}

class JobStoreTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    // What was acknowledged must survive a crash of the server, as in production.
    setenv("GODWIT_PG_FSYNC", "on", 1);
    auto started = ::godwit::testing::TestDatabase::Start();
    ASSERT_OK(started);
    database_ = started->release();
  }
  static void TearDownTestSuite() { delete database_; }
  void SetUp() override {
    store_ = std::make_unique<PgJobStore>(database_->conninfo());
    auto connection = pg::Connection::Open(database_->conninfo());
    ASSERT_OK(connection);
    ASSERT_OK((*connection)->Run("DELETE FROM jobs.job"));
  }

  ServerRun ClaimOne(absl::Duration ttl = kLong) {
    auto runs = store_->Claim(Due(ttl));
    EXPECT_OK(runs);
    return runs.ok() && !runs->empty() ? runs->front() : ServerRun{};
  }
  std::vector<Event> Events(const std::string& job) {
    std::vector<Event> out;
    const auto items = store_->ListLog(job, 0, 100);
    EXPECT_OK(items);
    if (!items.ok()) return out;
    for (const LogItem& item : *items) out.push_back(item.event);
    return out;
  }
  static ::godwit::testing::TestDatabase* database_;
  std::unique_ptr<PgJobStore> store_;
};
::godwit::testing::TestDatabase* JobStoreTest::database_ = nullptr;

TEST_F(JobStoreTest, KeepsAllOfARunsInput) {
  NewJob job = MakeJob({});
  RunInput input{.server = NewId("s-"),
                 .point = "sourceServers/x/points/y",
                 .machines = {"i-1"},
                 .hostname = std::string("web\0\xff", 5)};
  input.settings = {.target = "qemu",
                    .profile = "p",
                    .boot_mode = BootMode::kUefi,
                    .disposition = Disposition::kStopped,
                    .right_sizing = RightSizing::kNone,
                    .cpu_count = 3,
                    .memory_bytes = 5ll << 40,
                    .machine_name = "näme",
                    .nics = {{.mac_address = "52:54:00:00:00:01", .static_address = "10.0.0.1/8"}},
                    .test_network = Network::kUser,
                    .cutover_network = Network::kBridge,
                    .port_forwards = {{.guest_port = 80, .host_port = 8080}},
                    .boot_proof = {.timeout = absl::Seconds(77),
                                   .console_text = "up",
                                   .tcp_ports = {22},
                                   .http_checks = {{.guest_port = 80, .path = "/x"}}},
                    .quiesce_source_on_cutover = true};
  job.servers = {input};
  ASSERT_OK(store_->Create(job, kQuotas));
  const ServerRun run = ClaimOne();
  EXPECT_EQ(run.input.settings, input.settings);
  EXPECT_EQ(run.input.hostname, "web??");
  EXPECT_EQ(run.input.point, input.point);
  EXPECT_EQ(run.input.machines, input.machines);
}

TEST_F(JobStoreTest, SameRequestGivesSameJobAnotherBodyIsRefused) {
  NewJob job = MakeJob({NewId("s-")});
  ASSERT_OK_AND_ASSIGN(const Job first, store_->Create(job, kQuotas));
  job.job_id = NewId("job-");
  ASSERT_OK_AND_ASSIGN(const Job second, store_->Create(job, kQuotas));
  EXPECT_EQ(second.id, first.id);
  job.request_hash = "other";
  EXPECT_THAT(store_->Create(job, kQuotas),
              StatusIs(absl::StatusCode::kInvalidArgument, "request_id"));
}

TEST_F(JobStoreTest, ManyEqualRequestsAtOnceMakeOneJob) {
  const NewJob job = MakeJob({NewId("s-")});
  std::vector<std::thread> threads;
  std::vector<std::string> ids(8);
  for (std::string& id : ids) {
    threads.emplace_back([&] {
      if (auto made = store_->Create(job, kQuotas); made.ok()) id = made->id;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()), std::set<std::string>{job.job_id});
  EXPECT_THAT(store_->List({})->jobs, SizeIs(1));
}

TEST_F(JobStoreTest, OneLaunchAtATimeForAServer) {
  const std::string server = NewId("s-");
  ASSERT_OK_AND_ASSIGN(const Job first, store_->Create(MakeJob({server}), kQuotas));
  const auto refused = store_->Create(MakeJob({NewId("s-"), server}, JobType::kTerminate), kQuotas);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kAlreadyExists, first.id));
  EXPECT_EQ(JobOf(refused.status()), first.id);
  EXPECT_THAT(store_->List({})->jobs, SizeIs(1)) << "nothing of the refused job may stay";
  const ServerRun run = ClaimOne();
  ASSERT_OK(store_->End(LeaseOf(run), RunState::kSucceeded, false, {}));
  EXPECT_OK(store_->Create(MakeJob({server}), kQuotas));
}

TEST_F(JobStoreTest, LimitsActiveJobs) {
  constexpr JobQuotas kOne = {.concurrent_jobs = 1};
  ASSERT_OK(store_->Create(MakeJob({NewId("s-")}), kOne));
  EXPECT_THAT(store_->Create(MakeJob({NewId("s-")}), kOne),
              StatusIs(absl::StatusCode::kResourceExhausted, "at most 1 jobs at once"));
}

TEST_F(JobStoreTest, EachRunIsClaimedOnce) {
  constexpr int kRuns = 60;
  ASSERT_OK(store_->Create(MakeJob(NewServers(kRuns)), kQuotas));
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::vector<std::int64_t> claimed;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      while (true) {
        const auto runs = store_->Claim(Due());
        if (!runs.ok() || runs->empty()) return;
        const std::lock_guard guard(mutex);
        claimed.push_back(runs->front().id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(claimed, SizeIs(kRuns));
  EXPECT_THAT(std::set<std::int64_t>(claimed.begin(), claimed.end()), SizeIs(kRuns));
}

TEST_F(JobStoreTest, KeepsTheLastScreenOfARun) {
  const std::string server = NewId("s-");
  ASSERT_OK_AND_ASSIGN(const Job job, store_->Create(MakeJob({server}), kQuotas));
  EXPECT_TRUE(absl::IsNotFound(store_->GetScreenshot(job.id, server).status()));
  const Lease lease = LeaseOf(ClaimOne());
  const std::string png("\x89PNG\0\xff\r\n rest", 14);
  ASSERT_OK(store_->SaveScreenshot(lease, "an earlier one"));
  ASSERT_OK(store_->SaveScreenshot(lease, png));
  ASSERT_OK_AND_ASSIGN(const ScreenshotRecord kept, store_->GetScreenshot(job.id, server));
  EXPECT_EQ(kept.png, png);
  EXPECT_GT(kept.time, absl::Now() - absl::Hours(1));
  EXPECT_TRUE(absl::IsNotFound(store_->GetScreenshot(job.id, NewId("s-")).status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(store_->SaveScreenshot(lease, std::string((2 << 20) + 1, 'x'))));
  EXPECT_FALSE(
      store_->SaveScreenshot({.run_id = lease.run_id, .epoch = lease.epoch - 1}, png).ok());
}

TEST_F(JobStoreTest, ClaimsOnlyKnownTypesAndPlans) {
  ASSERT_OK(store_->Create(MakeJob({NewId("s-")}, JobType::kExport), kQuotas));
  NewJob newer = MakeJob({NewId("s-")});
  newer.plan_version = kPlanVersion + 1;
  ASSERT_OK(store_->Create(newer, kQuotas));
  EXPECT_THAT(*store_->Claim(Due(kLong, 10)), IsEmpty());
}

TEST_F(JobStoreTest, RefusesEveryWriteOfAStaleEpoch) {
  ASSERT_OK_AND_ASSIGN(const Job job, store_->Create(MakeJob({NewId("s-")}), kQuotas));
  const ServerRun stale = ClaimOne(absl::ZeroDuration());
  const ServerRun fresh = ClaimOne();
  ASSERT_EQ(fresh.id, stale.id);
  EXPECT_EQ(fresh.epoch, stale.epoch + 1);
  EXPECT_EQ(fresh.crashes, 2);
  EXPECT_EQ(fresh.owner, "me") << "the one before";
  const Lease lease = LeaseOf(stale);
  const auto lost = [](const absl::Status& status) {
    return !status.ok() && Classify(status) == ErrorClass::kLostLease;
  };
  EXPECT_FALSE(store_->Renew(lease, kLong)->held);
  EXPECT_TRUE(lost(store_->BeginStep(lease, 0, false, {}).status()));
  EXPECT_TRUE(lost(store_->SaveProgress(lease, 0, {{"k", "v"}}, "m", 1, 2)));
  EXPECT_TRUE(lost(store_->AddLog(lease, {{.event = Event::kStepRetry}})));
  EXPECT_TRUE(lost(store_->FinishStep(lease, 0, {})));
  EXPECT_TRUE(lost(store_->Retry(lease, 0, kLong, "m")));
  EXPECT_TRUE(lost(store_->Wait(lease, 0, kLong, "m")));
  EXPECT_TRUE(lost(store_->BeginUndo(lease, 0, absl::InternalError("e"), {})));
  EXPECT_TRUE(lost(store_->FinishUndo(lease, 0, {})));
  EXPECT_TRUE(lost(store_->End(lease, RunState::kFailed, true, {"w"})));
  EXPECT_TRUE(lost(store_->Release(lease)));
  ASSERT_OK_AND_ASSIGN(const Job after, store_->Get(job.id));
  EXPECT_EQ(after.state, JobState::kRunning);
  EXPECT_THAT(after.warnings, IsEmpty());
  EXPECT_THAT(after.runs[0].outputs, IsEmpty());
  EXPECT_EQ(after.runs[0].steps[0].state, StepState::kWaiting);
  EXPECT_TRUE(store_->Renew(LeaseOf(fresh), kLong)->held);
}

TEST_F(JobStoreTest, CheckpointsAStepWithItsFactsAndLog) {
  ASSERT_OK_AND_ASSIGN(const Job job, store_->Create(MakeJob({NewId("s-")}), kQuotas));
  const ServerRun run = ClaimOne();
  const Lease lease = LeaseOf(run);
  EXPECT_EQ(*store_->BeginStep(lease, 0, false, {{.event = Event::kSnapshotStart}}), 1);
  StepResult result{.outputs = {{"point", "p"}}, .message = "done"};
  result.machine_id = "i-00000000000000001";
  result.log = {{.event = Event::kSnapshotEnd}};
  ASSERT_OK(store_->FinishStep(lease, 0, result));
  EXPECT_EQ(Classify(store_->FinishStep(lease, 0, result)), ErrorClass::kLostLease)
      << "a step is finished once";
  ASSERT_OK_AND_ASSIGN(const ServerRun found, store_->FindMachine("i-00000000000000001"));
  EXPECT_EQ(found.step, 1);
  EXPECT_EQ(found.outputs.at("point"), "p");
  EXPECT_EQ(found.steps[0].state, StepState::kSucceeded);
  EXPECT_THAT(Events(job.id),
              ElementsAre(Event::kJobStart, Event::kSnapshotStart, Event::kSnapshotEnd));
}

TEST_F(JobStoreTest, ARetriedRunWaitsAndAReleasedOneDoesNot) {
  ASSERT_OK(store_->Create(MakeJob({NewId("s-")}), kQuotas));
  const ServerRun first = ClaimOne();
  ASSERT_OK(store_->Release(LeaseOf(first)));
  EXPECT_FALSE(store_->Renew(LeaseOf(first), kLong)->held) << "it was given back";
  const ServerRun second = ClaimOne();
  EXPECT_EQ(second.crashes, 1) << "an orderly end is no crash";
  ASSERT_OK(store_->Retry(LeaseOf(second), 0, absl::Milliseconds(300), "peer away"));
  EXPECT_THAT(*store_->Claim(Due()), IsEmpty());
  absl::SleepFor(absl::Milliseconds(350));
  const ServerRun third = ClaimOne();
  EXPECT_EQ(third.tries, 1);
  EXPECT_EQ(third.steps[0].message, "peer away");
}

TEST_F(JobStoreTest, CancelReachesALeasedRunAndWakesAWaitingOne) {
  ASSERT_OK_AND_ASSIGN(const Job job, store_->Create(MakeJob({NewId("s-"), NewId("s-")}), kQuotas));
  const ServerRun leased = ClaimOne();
  const ServerRun waiting = ClaimOne();
  ASSERT_OK(store_->Retry(LeaseOf(waiting), 0, kLong, "peer away"));
  ASSERT_OK_AND_ASSIGN(const Job cancelled, store_->Cancel(job.id));
  EXPECT_EQ(cancelled.state, JobState::kCancelling);
  EXPECT_OK(store_->Cancel(job.id));  // repeating is harmless
  EXPECT_TRUE(store_->Renew(LeaseOf(leased), kLong)->cancel_requested);
  EXPECT_EQ(Classify(store_->BeginStep(LeaseOf(leased), 0, false, {}).status()),
            ErrorClass::kCancelled);
  const ServerRun woken = ClaimOne();
  EXPECT_EQ(woken.id, waiting.id);
  for (const ServerRun& run : {leased, woken}) {
    ASSERT_OK(store_->BeginUndo(LeaseOf(run), 0, CancelRequested(), {}));
    ASSERT_OK(store_->FinishUndo(LeaseOf(run), 0, {}));
    ASSERT_OK(store_->End(LeaseOf(run), RunState::kCancelled, false, {}));
  }
  ASSERT_OK_AND_ASSIGN(const Job after, store_->Get(job.id));
  EXPECT_EQ(after.state, JobState::kCancelled);
  EXPECT_TRUE(after.end_time.has_value());
  EXPECT_EQ(after.runs[0].launch_status, LaunchStatus::kFailed);
  EXPECT_EQ(Events(job.id).back(), Event::kJobEnd);
}

TEST_F(JobStoreTest, PastTheCommitPointNothingIsCancelled) {
  ASSERT_OK_AND_ASSIGN(const Job job, store_->Create(MakeJob({NewId("s-")}), kQuotas));
  const ServerRun run = ClaimOne();
  ASSERT_OK(store_->BeginStep(LeaseOf(run), 0, true, {}));
  EXPECT_THAT(store_->Cancel(job.id),
              StatusIs(absl::StatusCode::kFailedPrecondition, "terminate the machine"));
}

TEST_F(JobStoreTest, DeletesOnlyWhatEndedAndKeepsTheMachineFindable) {
  ASSERT_OK_AND_ASSIGN(const Job job, store_->Create(MakeJob({NewId("s-")}), kQuotas));
  EXPECT_THAT(store_->Delete(job.id), StatusIs(absl::StatusCode::kFailedPrecondition, "cancel"));
  const ServerRun run = ClaimOne();
  ASSERT_OK(store_->BeginStep(LeaseOf(run), 0, false, {}));
  StepResult result;
  result.machine_id = "i-00000000000000002";
  ASSERT_OK(store_->FinishStep(LeaseOf(run), 0, result));
  ASSERT_OK(store_->End(LeaseOf(run), RunState::kSucceeded, false, {}));
  ASSERT_OK(store_->Delete(job.id));
  EXPECT_THAT(store_->Get(job.id), StatusIs(absl::StatusCode::kNotFound, job.id));
  EXPECT_THAT(store_->List({})->jobs, IsEmpty());
  EXPECT_OK(store_->FindMachine("i-00000000000000002"));
}

TEST_F(JobStoreTest, RemovingAMachineIsSeenAtItsLaunch) {
  const std::string server = NewId("s-");
  ASSERT_OK_AND_ASSIGN(const Job launch, store_->Create(MakeJob({server}), kQuotas));
  const ServerRun launched = ClaimOne();
  ASSERT_OK(store_->BeginStep(LeaseOf(launched), 0, false, {}));
  StepResult made;
  made.machine_id = "i-00000000000000003";
  made.launch_status = LaunchStatus::kLaunched;
  ASSERT_OK(store_->FinishStep(LeaseOf(launched), 0, made));
  ASSERT_OK(store_->End(LeaseOf(launched), RunState::kSucceeded, false, {}));
  EXPECT_THAT(*store_->MachinesOf(server), SizeIs(1));
  ASSERT_OK(store_->Create(MakeJob({server}, JobType::kTerminate), kQuotas));
  const ServerRun terminate = ClaimOne();
  ASSERT_OK(store_->BeginStep(LeaseOf(terminate), 0, false, {}));
  StepResult removed;
  removed.removed_machines = {"i-00000000000000003"};
  ASSERT_OK(store_->FinishStep(LeaseOf(terminate), 0, removed));
  EXPECT_THAT(*store_->MachinesOf(server), IsEmpty());
  EXPECT_EQ(store_->Get(launch.id)->runs[0].launch_status, LaunchStatus::kTerminated);
}

TEST_F(JobStoreTest, ListsNewestFirstInPages) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(store_->Create(MakeJob({NewId("s-")}), kQuotas)->id);
  ASSERT_OK_AND_ASSIGN(const JobPage first, store_->List({.limit = 3}));
  ASSERT_THAT(first.jobs, SizeIs(3));
  EXPECT_EQ(first.jobs[0].id, ids[4]);
  ASSERT_OK_AND_ASSIGN(const JobPage second,
                       store_->List({.limit = 3, .before = first.next_before}));
  ASSERT_THAT(second.jobs, SizeIs(2));
  EXPECT_EQ(second.jobs[1].id, ids[0]);
  EXPECT_EQ(second.next_before, 0);
}

TEST_F(JobStoreTest, SurvivesARestartOfTheDatabase) {
  ASSERT_OK_AND_ASSIGN(const Job job, store_->Create(MakeJob({NewId("s-")}), kQuotas));
  const ServerRun run = ClaimOne();
  ASSERT_OK(store_->Renew(LeaseOf(run), kLong));
  ASSERT_OK(database_->Stop());
  EXPECT_FALSE(store_->Renew(LeaseOf(run), kLong).ok());
  ASSERT_OK(database_->Restart());
  absl::StatusOr<Renewal> renewal = absl::UnavailableError("");
  for (int i = 0; i < 50 && !renewal.ok(); ++i) {
    renewal = store_->Renew(LeaseOf(run), kLong);
    if (!renewal.ok()) absl::SleepFor(absl::Milliseconds(100));
  }
  ASSERT_OK(renewal);
  EXPECT_TRUE(renewal->held);
}

}  // namespace
}  // namespace godwit::jobs
