// Wave runs on a real PostgreSQL: whose turn it is, how long they are kept, what is counted.
#include "services/jobs/storage/pg_wave_store.h"

#include "absl/strings/str_cat.h"
#include "services/jobs/storage/retention.h"
#include "services/jobs/storage/wave_figures.h"
#include "tests/pg/services/jobs/store_fixture.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::Each;
using ::testing::Gt;
using ::testing::Lt;

constexpr absl::Duration kMonth = absl::Hours(24 * 30);

class WaveStoreTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    waves_ = std::make_unique<PgWaveStore>(database_->conninfo());
    pool_ = std::make_unique<pg::Pool>(
        pg::Pool::Options{.conninfo = database_->conninfo(), .max_connections = 2});
    Sql("DELETE FROM jobs.wave_run");
  }
  void Sql(const std::string& text) {
    auto connection = pg::Connection::Open(database_->conninfo());
    ASSERT_OK(connection);
    ASSERT_OK((*connection)->Run(text));
  }
  std::int64_t Count(const char* name, const std::string& from) {
    const std::string text = absl::StrCat("SELECT count(*) FROM ", from);
    const auto rows = pool_->Exec(pg::Statement{name, text.c_str()});
    EXPECT_OK(rows);
    return rows.ok() ? rows->Int(0, 0) : -1;
  }
  // A run of one application with two servers.
  WaveRun MakeRun() {
    NewWaveRun made{.run = {.id = NewId("wr-"),
                            .kind = WaveKind::kTest,
                            .wave = NewId("wave-"),
                            .initiated_by = "user/operator/alice"},
                    .request_id = NewUuid(),
                    .request_hash = "h"};
    made.run.groups = {{.application = NewId("app-"), .display_name = "Web"}};
    for (const std::string& server : NewServers(2)) {
      made.run.groups[0].members.push_back({.server = server});
    }
    const auto run = waves_->Create(made);
    EXPECT_OK(run);
    return run.ok() ? *run : WaveRun();
  }
  WaveLease Claim() {
    const auto claimed = waves_->Claim("me", absl::Minutes(1));
    EXPECT_OK(claimed);
    EXPECT_TRUE(claimed.ok() && claimed->has_value()) << "no run is due";
    return claimed.ok() && *claimed ? (*claimed)->lease : WaveLease();
  }
  bool IsDue() {
    const auto claimed = waves_->Claim("other", absl::Minutes(1));
    EXPECT_OK(claimed);
    return claimed.ok() && claimed->has_value();
  }
  void Set(const WaveLease& lease, WaveState state, MemberState of_the_first) {
    ASSERT_OK(waves_->Modify(lease, absl::Minutes(1), [&](WaveRun& run, std::vector<WaveEvent>&) {
      run.state = state;
      if (Ended(state)) run.end_time = absl::Now();
      run.groups[0].members[0].state = of_the_first;
      return absl::OkStatus();
    }));
  }
  WaveRun EndedRun() {
    WaveRun run = MakeRun();
    const WaveLease lease = Claim();
    Set(lease, WaveState::kSucceeded, MemberState::kSucceeded);
    EXPECT_OK(waves_->Release(lease, absl::ZeroDuration()));
    return run;
  }

  std::unique_ptr<PgWaveStore> waves_;
  std::unique_ptr<pg::Pool> pool_;
};

TEST_F(WaveStoreTest, AStoppedRunIsLookedAfterUntilNothingOfItIsUnderWay) {
  MakeRun();
  WaveLease lease = Claim();
  Set(lease, WaveState::kStopped, MemberState::kRemoving);
  ASSERT_OK(waves_->Release(lease, absl::ZeroDuration()));
  lease = Claim();  // or the removal would wait for somebody to resume the run
  Set(lease, WaveState::kStopped, MemberState::kSucceeded);
  ASSERT_OK(waves_->Release(lease, absl::ZeroDuration()));
  EXPECT_FALSE(IsDue()) << "nothing to do until somebody resumes or cancels it";
}

TEST_F(WaveStoreTest, RunsAreForgottenWithTheirRowsSomeTimeAfterTheyEnded) {
  const WaveRun old = EndedRun(), older = EndedRun(), fresh = EndedRun();
  Sql(absl::StrCat(
      "UPDATE jobs.wave_run SET end_time = now() - interval '31 days' WHERE run_id = '", old.id,
      "'"));
  Sql(absl::StrCat(
      "UPDATE jobs.wave_run SET end_time = now() - interval '91 days' WHERE run_id = '", older.id,
      "'"));
  const WaveRun running = MakeRun();
  Sql(absl::StrCat(
      "UPDATE jobs.wave_run SET create_time = now() - interval '1 year' WHERE run_id = '",
      running.id, "'"));
  EXPECT_EQ(ForgetWaveRuns(*pool_, kMonth, 1).value_or(-1), 1)
      << "the oldest, and no more than asked";
  EXPECT_THAT(waves_->Get(older.id), StatusIs(absl::StatusCode::kNotFound, "no "));
  EXPECT_OK(waves_->Get(old.id));
  EXPECT_EQ(ForgetWaveRuns(*pool_, kMonth, 10).value_or(-1), 1);
  EXPECT_EQ(ForgetWaveRuns(*pool_, kMonth, 10).value_or(-1), 0);
  EXPECT_OK(waves_->Get(fresh.id));
  EXPECT_OK(waves_->Get(running.id));  // what has not ended stays, however old
  EXPECT_EQ(Count("test_members", "jobs.wave_member"), 4);
  EXPECT_EQ(Count("test_groups", "jobs.wave_group"), 2);
  EXPECT_EQ(Count("test_events",
                  "jobs.wave_event WHERE run_id NOT IN (SELECT run_id FROM "
                  "jobs.wave_run)"),
            0);
}

TEST_F(WaveStoreTest, JobsAreForgottenUnlessAMachineOrAWaveRunNeedsThem) {
  std::map<std::string, std::string> jobs;
  for (const char* name : {"fresh", "gone", "machine", "stuck", "wave", "running"}) {
    const auto job = store_->Create(MakeJob(NewServers(1)), {.concurrent_jobs = 10});
    ASSERT_OK(job);
    jobs[name] = job->id;
    if (absl::string_view(name) == "running") continue;
    Sql(absl::StrCat("UPDATE jobs.run SET state = 5 WHERE job_id = '", job->id,
                     "'; UPDATE jobs.job SET state = 4, end_time = now() - interval '",
                     absl::string_view(name) == "fresh" ? "1 day" : "40 days", "' WHERE job_id = '",
                     job->id, "'"));
  }
  Sql(absl::StrCat("UPDATE jobs.run SET machine_id = 'i-0000000000000000f' WHERE job_id = '",
                   jobs["machine"], "'; UPDATE jobs.run SET needs_operator = true WHERE job_id = '",
                   jobs["stuck"], "'"));
  MakeRun();
  const WaveLease lease = Claim();
  ASSERT_OK(waves_->Modify(lease, absl::Minutes(1), [&](WaveRun& run, std::vector<WaveEvent>&) {
    run.state = WaveState::kRunning;
    run.groups[0].members[0].job = jobs["wave"];
    return absl::OkStatus();
  }));
  EXPECT_EQ(ForgetJobs(*pool_, kMonth, 10).value_or(-1), 1);
  EXPECT_THAT(store_->Get(jobs["gone"]), StatusIs(absl::StatusCode::kNotFound, "no "));
  for (const char* name : {"fresh", "machine", "stuck", "wave", "running"}) {
    SCOPED_TRACE(name);
    EXPECT_OK(store_->Get(jobs[name]));
  }
  Set(lease, WaveState::kSucceeded, MemberState::kSucceeded);
  EXPECT_EQ(ForgetJobs(*pool_, kMonth, 10).value_or(-1), 1) << "the wave run has ended";
  EXPECT_EQ(Count("test_logs", "jobs.log WHERE job_id NOT IN (SELECT job_id FROM jobs.job)"), 0);
}

TEST_F(WaveStoreTest, ItIsDoneInTheBackgroundInBatches) {
  for (int i = 0; i < 5; ++i) EndedRun();
  Sql("UPDATE jobs.wave_run SET end_time = now() - interval '31 days'");
  const WaveRun fresh = EndedRun();
  const Retention retention(*pool_,
                            {.wave_runs = kMonth, .look = absl::Milliseconds(50), .batch = 2});
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  while (Count("test_runs", "jobs.wave_run") > 1 && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_EQ(Count("test_runs", "jobs.wave_run"), 1);
  EXPECT_OK(waves_->Get(fresh.id));
}

TEST_F(WaveStoreTest, CountsRunsAndHowLongTheFirstHasWaited) {
  EndedRun();
  EndedRun();
  MakeRun();
  const WaveLease lease = Claim();
  ASSERT_OK(waves_->Modify(lease, absl::Minutes(1), [&](WaveRun& run, std::vector<WaveEvent>&) {
    run.state = WaveState::kRunning;
    run.groups[0].state = GroupState::kChecking;
    run.groups[0].check_start = absl::Now() - absl::Minutes(7);
    return absl::OkStatus();
  }));
  auto figures = CountWaveRuns(*pool_);
  ASSERT_OK(figures);
  std::map<WaveState, std::int64_t> counts;
  for (const WaveRunCount& entry : figures->runs) counts[entry.state] += entry.count;
  EXPECT_EQ(counts, (std::map<WaveState, std::int64_t>{{WaveState::kRunning, 1},
                                                       {WaveState::kSucceeded, 2}}));
  EXPECT_THAT(figures->oldest_gate, ::testing::AllOf(Gt(absl::Minutes(6)), Lt(absl::Minutes(30))));
  EXPECT_EQ(figures->oldest_approval, absl::ZeroDuration());
  EXPECT_EQ(figures->oldest_stopped, absl::ZeroDuration());

  MakeRun();
  Set(Claim(), WaveState::kStopped, MemberState::kFailed);
  MakeRun();
  Set(Claim(), WaveState::kWaitingForApproval, MemberState::kWaiting);
  Sql("UPDATE jobs.wave_run SET state_time = now() - interval '2 hours' WHERE state IN (3, 4)");
  figures = CountWaveRuns(*pool_);
  ASSERT_OK(figures);
  EXPECT_THAT((std::vector<absl::Duration>{figures->oldest_approval, figures->oldest_stopped}),
              Each(Gt(absl::Minutes(119))));
}

}  // namespace
}  // namespace godwit::jobs
