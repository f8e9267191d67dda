// Claims that keep to shares, by runners that meet at the same jobs: nobody comes away with nothing
// while something is due, nobody waits for a job that another one holds, no share is given twice.
#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "services/common/base/check.h"
#include "services/common/base/clock.h"
#include "services/jobs/storage/codec.h"
#include "tests/pg/services/jobs/store_fixture.h"

namespace godwit::jobs {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int kRunners = 8;
constexpr int kClaimsOfRunner = 15;
constexpr absl::Duration kPatience = absl::Minutes(2);

class ClaimsTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    sql_ = NewConnection();
  }
  static std::unique_ptr<pg::Connection> NewConnection() {
    auto connection = pg::Connection::Open(database_->conninfo(), {.idle = kPatience});
    GODWIT_CHECK(connection.ok());
    return *std::move(connection);
  }
  static std::string JobId(int job) {
    return absl::StrCat("job-", absl::Dec(job, absl::kZeroPad17));
  }

  // Jobs 1 to `jobs` with `servers` each, in this order due, all at once.
  void Fill(int jobs, int servers) {
    ASSERT_OK(sql_->Run(absl::StrCat(
        "INSERT INTO jobs.job (job_id, request_id, request_hash, type, initiated_by) "
        "SELECT 'job-' || lpad(i::text, 17, '0'), gen_random_uuid(), 'h', 1, 'test' "
        "FROM generate_series(1, ",
        jobs,
        ") i; INSERT INTO jobs.run (job_id, index, type, server, input, plan_version) "
        "SELECT 'job-' || lpad(j::text, 17, '0'), i, 1, "
        "'s-' || lpad(to_hex(j * 100000 + i), 17, '0'), '",
        InputToJson(RunInput()), "', ", kPlanVersion, " FROM generate_series(1, ", jobs,
        ") j, generate_series(1, ", servers,
        ") i ORDER BY j, i; "
        "INSERT INTO jobs.step (run_id, index, name) SELECT id, 0, 'first' FROM jobs.run")));
  }
  // A transaction that has locked what `what` selects, until it is rolled back or destroyed.
  static std::unique_ptr<pg::Connection> Holder(const std::string& what) {
    auto connection = NewConnection();
    GODWIT_CHECK(connection->Run(absl::StrCat("BEGIN; ", what, " FOR UPDATE")).ok());
    return connection;
  }
  static std::unique_ptr<pg::Connection> HolderOfJobs(int first, int last) {
    return Holder(absl::StrCat("SELECT job_id FROM jobs.job WHERE job_id BETWEEN '", JobId(first),
                               "' AND '", JobId(last), "'"));
  }
  // Whether a claim waits for a job.
  bool SomebodyWaits() {
    constexpr pg::Statement kWaiting = {
        "waiting",
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND wait_event_type = 'Lock' AND query LIKE '%FROM jobs.job%'"};
    const auto rows = sql_->Exec(kWaiting);
    EXPECT_OK(rows);
    return rows.ok() && rows->Int(0, 0) > 0;
  }

  struct Tally {
    int empty = 0;
    absl::Duration longest;
    std::map<std::string, int> most;  // of each job at once
    std::set<std::int64_t> runs;      // claimed
    std::map<std::string, int> now;   // under way
  };
  // All runners claim, each a server at a time, which it ends before the next.
  Tally ClaimTogether(int most_of_job) {
    Tally tally;
    std::mutex mutex;
    std::vector<std::thread> threads;
    for (int i = 0; i < kRunners; ++i) {
      threads.emplace_back([&] {
        for (int turn = 0; turn < kClaimsOfRunner; ++turn) {
          const absl::Time begun = SteadyNow();
          const auto runs = store_->Claim(Share(most_of_job));
          const absl::Duration took = SteadyNow() - begun;
          EXPECT_OK(runs);
          if (!runs.ok()) return;
          {
            const std::lock_guard guard(mutex);
            tally.longest = std::max(tally.longest, took);
            if (runs->empty()) ++tally.empty;
            for (const ServerRun& run : *runs) {
              EXPECT_TRUE(tally.runs.insert(run.id).second) << "given twice: " << run.id;
              int& most = tally.most[run.job_id];
              most = std::max(most, ++tally.now[run.job_id]);
            }
          }
          for (const ServerRun& run : *runs) {
            {
              // Before it ends: another one may have its share at once.
              const std::lock_guard guard(mutex);
              --tally.now[run.job_id];
            }
            EXPECT_OK(store_->End(LeaseOf(run), RunState::kSucceeded, false, {}));
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    return tally;
  }
  void ExpectAllServed(const Tally& tally, int most_of_job) {
    EXPECT_EQ(tally.empty, 0) << "although nothing can have run out";
    EXPECT_THAT(tally.runs, SizeIs(kRunners * kClaimsOfRunner));
    for (const auto& [job, most] : tally.most) EXPECT_LE(most, most_of_job) << job;
    std::printf("%d claims by %d runners: longest %.0f ms\n", kRunners * kClaimsOfRunner, kRunners,
                absl::ToDoubleMilliseconds(tally.longest));
  }

  std::unique_ptr<pg::Connection> sql_;
};

TEST_F(ClaimsTest, WhereThereAreJustEnoughSharesEveryRunnerHasOne) {
  // Four jobs may have two runners each: whoever claims finds seven others at most, so one place is
  // free. No job has fewer servers than there are claims.
  Fill(4, kRunners * kClaimsOfRunner);
  ExpectAllServed(ClaimTogether(2), 2);
}

TEST_F(ClaimsTest, WhereThereAreManyJobsEveryRunnerHasOne) {
  Fill(60, kRunners);
  ExpectAllServed(ClaimTogether(2), 2);
}

TEST_F(ClaimsTest, JobsThatOthersHoldArePassedOver) {
  Fill(6, kRunners * kClaimsOfRunner);
  const auto one = HolderOfJobs(1, 1), other = HolderOfJobs(2, 2);
  const Tally tally = ClaimTogether(2);
  ExpectAllServed(tally, 2);
  EXPECT_FALSE(tally.most.contains(JobId(1)) || tally.most.contains(JobId(2)));
}

TEST_F(ClaimsTest, WhoFindsOnlyJobsThatOthersEnterWaitsForThem) {
  Fill(2, kRunners);
  auto holder = HolderOfJobs(1, 2);
  std::atomic<bool> released{false};
  std::atomic<int> claimed{0}, in_vain{0};
  std::vector<std::thread> threads;
  const absl::Time give_up = SteadyNow() + kPatience;
  for (int i = 0; i < kRunners; ++i) {
    threads.emplace_back([&] {
      for (bool had = false; !had && SteadyNow() < give_up;) {
        const bool free = released;
        const auto runs = store_->Claim(Share(kRunners / 2));
        EXPECT_OK(runs);
        had = !runs.ok() || !runs->empty();
        if (had) ++claimed;
        if (!had && free) ++in_vain;
      }
    });
  }
  while (!SomebodyWaits() && SteadyNow() < give_up) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(claimed, 0);
  EXPECT_OK(holder->Run("ROLLBACK"));
  released = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(claimed, kRunners);
  EXPECT_EQ(in_vain, 0);
}

TEST_F(ClaimsTest, WhatIsHeldForLongIsLeftAndDueAfterwards) {
  Fill(1, 3);
  auto holder = HolderOfJobs(1, 1);
  const absl::Time begun = SteadyNow();
  const auto none = store_->Claim(Share(2));
  ASSERT_OK(none);
  EXPECT_THAT(*none, IsEmpty());
  EXPECT_LT(SteadyNow() - begun, absl::Seconds(25)) << "less than a lock may be waited for";
  ASSERT_OK(holder->Run("ROLLBACK"));
  ASSERT_OK_AND_ASSIGN(const auto some, store_->Claim(Share(2, 3)));
  EXPECT_THAT(some, SizeIs(2));
}

// Cancelling locks all runs of a job before it locks the job.
TEST_F(ClaimsTest, RunsThatOthersHoldArePassedOverWithoutWaiting) {
  Fill(2, 3);
  const auto holder =
      Holder(absl::StrCat("SELECT id FROM jobs.run WHERE job_id = '", JobId(1), "'"));
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const auto runs, store_->Claim(Share(3)));
    ASSERT_THAT(runs, SizeIs(1));
    EXPECT_EQ(runs[0].job_id, JobId(2));
  }
  ASSERT_OK_AND_ASSIGN(const auto none, store_->Claim(Share(3)));
  EXPECT_THAT(none, IsEmpty());
  // The job was not left locked.
  ASSERT_OK(sql_->Run(absl::StrCat("BEGIN; SELECT FROM jobs.job WHERE job_id = '", JobId(1),
                                   "' FOR UPDATE NOWAIT; ROLLBACK")));
}

TEST_F(ClaimsTest, AnExpiredLeaseTakesNoShareAndIsTakenOver) {
  Fill(1, 2);
  ClaimOrder brief = Share(1);
  brief.ttl = absl::ZeroDuration();
  ASSERT_OK_AND_ASSIGN(const auto first, store_->Claim(brief));
  ASSERT_THAT(first, SizeIs(1));
  // The other one has been due for longer.
  ASSERT_OK_AND_ASSIGN(const auto second, store_->Claim(brief));
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_NE(second[0].id, first[0].id);
  ASSERT_OK_AND_ASSIGN(const auto again, store_->Claim(Share(1)));
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].id, first[0].id);
  EXPECT_EQ(again[0].owner, "me") << "whoever had it before";
  EXPECT_EQ(again[0].crashes, 2);
  EXPECT_GT(again[0].epoch, first[0].epoch);
  ASSERT_OK_AND_ASSIGN(const auto none, store_->Claim(Share(1)));
  EXPECT_THAT(none, IsEmpty());
}

}  // namespace
}  // namespace godwit::jobs
