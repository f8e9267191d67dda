// The database goes away for longer than a lease and comes back: nothing moves.
#include "tests/pg/services/replication/fixture.h"

namespace godwit::coordinator {
namespace {

using OutageTest = CoordinatorPgTest;

constexpr absl::Duration kOutageLease = absl::Seconds(3);  // longer: real rounds run

TEST_F(OutageTest, NobodyIsTakenOverBecauseTheDatabaseWasAway) {
  const auto decode = [](const std::string&, absl::Time) { return Settings{}; };
  workers_ = std::make_unique<WorkerReports>(*pool_, kOutageLease, decode);
  const std::int64_t first = Register(kWorker1, "shared");
  const std::int64_t second = Register(kWorker2, "shared");
  ASSERT_OK(Beat(kWorker1, first));
  Start(kServer1);
  Place();
  ASSERT_EQ(Load(kServer1).worker_id, kWorker1);
  ASSERT_OK(Beat(kWorker2, second));

  Housekeeping running(*pool_, registry_, [](const std::string&, absl::Time) { return Settings(); },
                       *agents_, *verifications_, RealClock(),
                       {.lease = kOutageLease, .interval = absl::Milliseconds(50)});
  running.Start();
  const absl::Time judged_from = absl::Now() + kOutageLease * 2;
  while (absl::Now() < judged_from) {  // past the grace of the start
    ASSERT_OK(Beat(kWorker1, first));
    absl::SleepFor(absl::Milliseconds(100));
  }
  ASSERT_OK(database_->Stop());
  EXPECT_EQ(Beat(kWorker1, first).status().code(), absl::StatusCode::kUnavailable);
  absl::SleepFor(kOutageLease * 2);
  ASSERT_OK(database_->Restart());
  // The worker is heard of again before one lease is over.
  absl::SleepFor(kOutageLease * 0.5);
  absl::StatusOr<WorkerAnswer> beat = Beat(kWorker1, first);
  for (int i = 0; i < 50 && !beat.ok(); ++i) {
    absl::SleepFor(absl::Milliseconds(10));
    beat = Beat(kWorker1, first);
  }
  ASSERT_OK(beat);
  ASSERT_EQ(beat->leases.size(), 1u);
  EXPECT_EQ(beat->leases[0].generation, 1);
  const absl::Time end = absl::Now() + kOutageLease * 2;
  while (absl::Now() < end) {
    ASSERT_OK(Beat(kWorker1, first));
    absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_EQ(Load(kServer1).generation, 1);
  EXPECT_EQ(Load(kServer1).worker_id, kWorker1);
  running.Stop();
}

}  // namespace
}  // namespace godwit::coordinator
