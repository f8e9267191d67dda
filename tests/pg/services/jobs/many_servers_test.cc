// Jobs of many servers on a real PostgreSQL: quotas, shares of runners, partial failure, waiting
// without a runner, cancelling. One ctest entry: the database's start costs more than the tests.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/runner/runner.h"
#include "tests/pg/services/jobs/store_fixture.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr JobQuotas kDefault;
constexpr absl::Duration kPatience = absl::Minutes(5);

std::string RefusedCode(const absl::Status& status) {
  const auto quota = RefusedQuota(status);
  return quota ? quota->code : "";
}

// A step that does what the test says.
class Scripted final : public Step {
 public:
  explicit Scripted(std::function<absl::Status(StepContext&)> work) : work_(std::move(work)) {}
  absl::string_view name() const override { return "first"; }
  StepOptions options(const ServerRun&) const override { return {.retry = {.most_attempts = 2}}; }
  absl::Status Do(StepContext& context) override { return work_(context); }

 private:
  const std::function<absl::Status(StepContext&)> work_;
};

class ManyServersTest : public StoreTest {
 protected:
  std::string JobOfNext(int most_of_job) {
    const auto runs = store_->Claim(Share(most_of_job));
    EXPECT_OK(runs);
    return !runs.ok() || runs->empty() ? "" : runs->front().job_id;
  }
  Job AwaitEnd(const std::string& id) {
    const absl::Time give_up = absl::Now() + kPatience;
    absl::StatusOr<Job> job = store_->Get(id);
    while (job.ok() && !Ended(job->state) && absl::Now() < give_up) {
      absl::SleepFor(absl::Milliseconds(100));
      job = store_->Get(id);
    }
    EXPECT_TRUE(job.ok() && Ended(job->state)) << job.status();
    return job.ok() ? *job : Job();
  }
  static Plans Doing(std::function<absl::Status(StepContext&)> work) {
    return PlanOf(std::make_unique<Scripted>(std::move(work)));
  }
  static NewJob OneStep(int servers) {
    return MakeJob(NewServers(servers), JobType::kTestLaunch, {"first"});
  }
  RunnerOptions Runners(int count, int most_of_job) const {
    return {.count = count,
            .most_of_job = most_of_job,
            .lease = absl::Seconds(30),
            .poll = absl::Milliseconds(100),
            .owner = ProcessOwner()};
  }
};

TEST_F(ManyServersTest, QuotasCountLaunchesAndTerminationsOnly) {
  JobQuotas quotas{.concurrent_jobs = 2, .servers_in_jobs = 5, .servers_of_job = 4};
  const auto too_many = store_->Create(MakeJob(NewServers(5)), quotas);
  EXPECT_EQ(RefusedCode(too_many.status()), "SERVERS_IN_ONE_JOB") << too_many.status();
  ASSERT_OK_AND_ASSIGN(const Job first, store_->Create(MakeJob(NewServers(4)), quotas));
  const auto two_more = store_->Create(MakeJob(NewServers(2), JobType::kTerminate), quotas);
  EXPECT_THAT(two_more, StatusIs(absl::StatusCode::kResourceExhausted,
                                 "at most 5 servers in jobs at once; there are 4 and 2 more would "
                                 "be too many"));
  EXPECT_EQ(RefusedCode(two_more.status()), "SERVERS_IN_ALL_JOBS");
  ASSERT_OK(store_->Create(MakeJob(NewServers(1), JobType::kTerminate), quotas));
  const auto third = store_->Create(MakeJob(NewServers(1)), quotas);
  EXPECT_EQ(RefusedCode(third.status()), "CONCURRENT_JOBS") << third.status();
  ASSERT_OK(store_->Create(MakeJob(NewServers(50), JobType::kCleanUp), quotas));
  ASSERT_OK_AND_ASSIGN(const JobUse used, store_->CountQuotaUse());
  EXPECT_EQ(used.jobs, 2);
  EXPECT_EQ(used.servers, 5);
  EXPECT_EQ(used.other_jobs, 1);
  // A server that is done makes room while its job goes on.
  ASSERT_OK_AND_ASSIGN(const auto runs, store_->Claim(Share(0)));
  ASSERT_THAT(runs, SizeIs(1));
  ASSERT_OK(store_->End(LeaseOf(runs[0]), RunState::kSucceeded, false, {}));
  quotas.concurrent_jobs = 3;
  EXPECT_OK(store_->Create(MakeJob(NewServers(1)), quotas));
}

TEST_F(ManyServersTest, OfTwoThatReachAQuotaTogetherOneIsRefused) {
  const JobQuotas quotas{.concurrent_jobs = 5};
  for (int round = 0; round < 4; ++round) ASSERT_OK(store_->Create(OneStep(1), quotas));
  const NewJob same = OneStep(3);
  std::atomic<int> made{0}, refused{0}, replayed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const auto job = store_->Create(i < 4 ? same : OneStep(3), quotas);
      if (job.ok()) ++(job->id == same.job_id ? replayed : made);
      if (RefusedCode(job.status()) == "CONCURRENT_JOBS") ++refused;
    });
  }
  for (std::thread& thread : threads) thread.join();
  // Either the four equal requests got the place, as one job, or one of the others.
  EXPECT_TRUE((replayed == 4 && made == 0) || (replayed == 0 && made == 1))
      << replayed << " " << made;
  EXPECT_EQ(made + refused + replayed, 8);
  EXPECT_EQ(store_->CountQuotaUse()->jobs, 5);
}

TEST_F(ManyServersTest, TwoHundredServersAreOneJobOfBoundedQueries) {
  const NewJob job = MakeJob(NewServers(200), JobType::kTestLaunch,
                             {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"});
  const absl::Time begun = absl::Now();
  ASSERT_OK_AND_ASSIGN(const Job made, store_->Create(job, kDefault));
  std::printf("200 servers of 10 steps: made in %.0f ms\n",
              absl::ToDoubleMilliseconds(absl::Now() - begun));
  ASSERT_THAT(made.runs, SizeIs(200));
  EXPECT_EQ(made.runs[199].input.server, job.servers[199].server);
  EXPECT_THAT(made.runs[199].steps, SizeIs(10));
  EXPECT_EQ(made.runs[0].steps[9].name, "j");
  // Pages are as long as their servers allow, and lose nothing.
  const JobQuotas more{.concurrent_jobs = 100, .servers_in_jobs = 10'000};
  for (int i = 0; i < 7; ++i) ASSERT_OK(store_->Create(MakeJob(NewServers(200)), more));
  std::vector<std::string> seen;
  std::size_t longest = 0;
  for (std::int64_t before = 0;;) {
    ASSERT_OK_AND_ASSIGN(const JobPage page, store_->List({.limit = 500, .before = before}));
    longest = std::max(longest, page.jobs.size());
    for (const Job& listed : page.jobs) {
      EXPECT_THAT(listed.runs, SizeIs(200));
      seen.push_back(listed.id);
    }
    before = page.next_before;
    if (before == 0) break;
  }
  EXPECT_THAT(seen, SizeIs(8));
  EXPECT_EQ(longest, 5u) << "1000 servers a page";
}

TEST_F(ManyServersTest, JobsWithNothingUnderWayComeFirst) {
  ASSERT_OK_AND_ASSIGN(const Job big, store_->Create(MakeJob(NewServers(150)), kDefault));
  EXPECT_EQ(JobOfNext(2), big.id);
  ASSERT_OK_AND_ASSIGN(const Job small, store_->Create(MakeJob(NewServers(2)), kDefault));
  EXPECT_EQ(JobOfNext(2), small.id) << "although 149 servers have been due for longer";
  EXPECT_EQ(JobOfNext(2), big.id);
  EXPECT_EQ(JobOfNext(2), small.id);
  EXPECT_EQ(JobOfNext(2), "") << "both have their share";
  EXPECT_EQ(JobOfNext(0), big.id) << "without shares the first due is next";
}

TEST_F(ManyServersTest, NobodyGetsMoreThanItsShareHoweverManyClaimAtOnce) {
  ASSERT_OK(store_->Create(MakeJob(NewServers(60)), kDefault));
  ASSERT_OK(store_->Create(MakeJob(NewServers(60)), kDefault));
  std::map<std::string, int> claimed;
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      // Also those who ask for many at once.
      for (int turn = 0; turn < 6; ++turn) {
        const auto runs = store_->Claim(Share(3, turn % 2 == 0 ? 1 : 4));
        EXPECT_OK(runs);
        if (!runs.ok()) return;
        const std::lock_guard guard(mutex);
        for (const ServerRun& run : *runs) ++claimed[run.job_id];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(claimed, SizeIs(2));
  for (const auto& [job, count] : claimed) EXPECT_EQ(count, 3) << job;
}

TEST_F(ManyServersTest, TwoHundredServersWithTwentyThatFail) {
  constexpr int kShare = 3;
  const NewJob wanted = OneStep(200);
  std::map<std::string, int> index;
  for (int i = 0; i < 200; ++i) index[wanted.servers[static_cast<std::size_t>(i)].server] = i;
  std::atomic<int> now{0}, most{0};
  const Plans plans = Doing([&](StepContext& context) -> absl::Status {
    const auto found = index.find(context.run().input.server);
    if (found == index.end()) return absl::OkStatus();  // of the small job
    const int busy = ++now;
    for (int seen = most; seen < busy && !most.compare_exchange_weak(seen, busy);) {
    }
    const absl::Status slept = context.Sleep(absl::Milliseconds(5));
    --now;
    RETURN_IF_ERROR(slept);
    return found->second % 10 == 3 ? absl::FailedPreconditionError("BROKEN: this one fails")
                                   : absl::OkStatus();
  });
  ASSERT_OK_AND_ASSIGN(const Job big, store_->Create(wanted, kDefault));
  RunnerPool one(*store_, RealClock(), plans, Runners(4, kShare));
  RunnerPool other(*store_, RealClock(), plans, Runners(4, kShare));  // as in a second process
  ASSERT_OK_AND_ASSIGN(const Job small, store_->Create(OneStep(1), {.servers_in_jobs = 400}));
  const Job small_end = AwaitEnd(small.id);
  EXPECT_FALSE(Ended(store_->Get(big.id)->state)) << "the small job waits for nobody";
  EXPECT_EQ(small_end.state, JobState::kSucceeded);
  const Job end = AwaitEnd(big.id);
  EXPECT_EQ(end.state, JobState::kFailed);
  int failed = 0;
  for (const ServerRun& run : end.runs) {
    const bool bad = index.at(run.input.server) % 10 == 3;
    EXPECT_EQ(run.state, bad ? RunState::kFailed : RunState::kSucceeded);
    EXPECT_EQ(run.error.ok(), !bad);
    EXPECT_EQ(run.error.message().find("BROKEN") != absl::string_view::npos, bad);
    failed += bad;
  }
  EXPECT_EQ(failed, 20);
  EXPECT_LE(most, kShare);
  EXPECT_GE(most, 2);
  ASSERT_OK_AND_ASSIGN(const auto log, store_->ListLog(big.id, 0, 1000));
  ASSERT_FALSE(log.empty());
  EXPECT_EQ(log.front().event, Event::kJobStart);
  EXPECT_EQ(log.back().event, Event::kJobEnd);
  std::printf("200 servers, 2 x 4 runners: at most %d at once\n", most.load());
}

TEST_F(ManyServersTest, WhoWaitsForAnAgentHoldsNoRunner) {
  const NewJob wanted = OneStep(2);
  const std::string away = wanted.servers[0].server;
  std::atomic<bool> back{false};
  std::atomic<int> looks{0};
  const Plans plans = Doing([&](StepContext& context) -> absl::Status {
    if (context.run().input.server != away || back) return absl::OkStatus();
    ++looks;
    return Waiting(absl::Milliseconds(50), "the agent is away");
  });
  RunnerPool runner(*store_, RealClock(), plans, Runners(1, 1));
  ASSERT_OK_AND_ASSIGN(const Job job, store_->Create(wanted, kDefault));
  const absl::Time give_up = absl::Now() + kPatience;
  Job now = job;
  while ((now.runs[1].state != RunState::kSucceeded || looks < 4) && absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(10));
    ASSERT_OK_AND_ASSIGN(now, store_->Get(job.id));
  }
  EXPECT_EQ(now.runs[1].state, RunState::kSucceeded) << "the only runner did the other server";
  EXPECT_EQ(now.runs[0].steps[0].message, "the agent is away");
  EXPECT_EQ(now.runs[0].tries, 0);
  EXPECT_LE(now.runs[0].steps[0].attempts, 2) << "looking again is no attempt";
  back = true;
  EXPECT_EQ(AwaitEnd(job.id).state, JobState::kSucceeded);
  ASSERT_OK_AND_ASSIGN(const auto log, store_->ListLog(job.id, 0, 100));
  EXPECT_THAT(log, SizeIs(2)) << "waiting is no event";
}

TEST_F(ManyServersTest, CancellingReachesAllOfThem) {
  const Plans plans = Doing([](StepContext& context) -> absl::Status {
    RETURN_IF_ERROR(context.Sleep(absl::Milliseconds(1)));
    return context.run().index < 5 ? absl::OkStatus()
                                   : Waiting(absl::Minutes(5), "the agent is away");
  });
  ASSERT_OK_AND_ASSIGN(const Job job, store_->Create(OneStep(100), kDefault));
  RunnerPool runners(*store_, RealClock(), plans, Runners(4, 4));
  const absl::Time give_up = absl::Now() + kPatience;
  const auto all_seen = [&] {
    const auto now = store_->Get(job.id);
    return now.ok() && std::all_of(now->runs.begin(), now->runs.end(), [](const ServerRun& run) {
             return run.index < 5 ? Ended(run.state) : run.steps[0].state != StepState::kWaiting;
           });
  };
  while (!all_seen() && absl::Now() < give_up) absl::SleepFor(absl::Milliseconds(100));
  ASSERT_OK(store_->Cancel(job.id));
  runners.Wake();
  const Job end = AwaitEnd(job.id);
  EXPECT_EQ(end.state, JobState::kCancelled);
  for (const ServerRun& run : end.runs) {
    EXPECT_EQ(run.state, run.index < 5 ? RunState::kSucceeded : RunState::kCancelled) << run.index;
  }
  EXPECT_EQ(store_->CountQuotaUse()->servers, 0);
}

}  // namespace
}  // namespace godwit::jobs
