// Who holds which server, and when somebody else may.
#include <thread>

#include "tests/pg/services/replication/fixture.h"

namespace godwit::coordinator {
namespace {

using ::godwit::testing::StatusIs;
using LeaseTest = CoordinatorPgTest;

TEST_F(LeaseTest, ReassignmentWaitsForTheEndOfTheLease) {
  const std::int64_t first = Register(kWorker1, "shared");
  ASSERT_OK(Beat(kWorker1, first));
  Start(kServer1);
  Place();
  ASSERT_EQ(Load(kServer1).worker_id, kWorker1);
  EXPECT_EQ(Load(kServer1).generation, 1);

  const std::int64_t second = Register(kWorker2, "shared");
  const absl::Time renewed = absl::Now();
  ASSERT_OK(Beat(kWorker1, first));
  while (absl::Now() < renewed + kLease * 0.8) {
    ASSERT_OK(Beat(kWorker2, second));
    Place();
    const std::string holder = Load(kServer1).worker_id;
    if (absl::Now() < renewed + kLease) {
      ASSERT_EQ(holder, kWorker1);
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
  absl::SleepFor(kLease * 0.4);
  ASSERT_OK(Beat(kWorker2, second));
  // A coordinator that may not judge leaves even an expired lease alone.
  Place(/*may_judge=*/false);
  EXPECT_EQ(Load(kServer1).worker_id, kWorker1);
  Place();
  EXPECT_EQ(Load(kServer1).worker_id, kWorker2);
  EXPECT_EQ(Load(kServer1).generation, 2);
  EXPECT_THAT(Report(kWorker1, first, kServer1, 1, 1),
              StatusIs(absl::StatusCode::kAborted, "lease"));
  EXPECT_THAT(Report(kWorker2, second, kServer1, 1, 1),
              StatusIs(absl::StatusCode::kAborted, "lease"));
  EXPECT_OK(Report(kWorker2, second, kServer1, 2, 1));
}

TEST_F(LeaseTest, ReleasedServerIsNotGivenAwayBeforeItsLeaseEnded) {
  const std::int64_t first = Register(kWorker1, "shared");
  const std::int64_t second = Register(kWorker2, "shared");
  ASSERT_OK(Beat(kWorker1, first));
  Start(kServer1);
  Place();
  ASSERT_OK(Beat(kWorker2, second));
  ASSERT_OK(servers_->SetDraining(kWorker1, NewUuid(), true));
  const absl::Time granted_at = absl::Now();
  const auto granted = Beat(kWorker1, first);
  ASSERT_EQ(granted->leases.size(), 1u);
  const absl::Time end = granted_at + kLease;
  Place();
  EXPECT_TRUE(Load(kServer1).releasing);
  EXPECT_EQ(Beat(kWorker1, first)->leases.size(), 0u);
  while (absl::Now() < end) {
    ASSERT_OK(Beat(kWorker1, first));
    ASSERT_OK(Beat(kWorker2, second));
    Place();
    const std::string holder = Load(kServer1).worker_id;
    if (absl::Now() < end) {
      ASSERT_EQ(holder, kWorker1);
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
  absl::SleepFor(kLease * 0.4);
  ASSERT_OK(Beat(kWorker2, second));
  Place();
  EXPECT_EQ(Load(kServer1).worker_id, kWorker2);
}

TEST_F(LeaseTest, DrainKeepsServersThatNobodyElseTakes) {
  const std::int64_t only = Register(kWorker1, "store-1");
  ASSERT_OK(Beat(kWorker1, only));
  Start(kServer1);
  Place();
  ASSERT_OK(servers_->SetDraining(kWorker1, NewUuid(), true));
  Place();
  EXPECT_FALSE(Load(kServer1).releasing);
  EXPECT_EQ(Beat(kWorker1, only)->leases.size(), 1u);
}

TEST_F(LeaseTest, NewProcessOfAWorkerGetsANewGeneration) {
  const std::int64_t old_process = Register(kWorker1, "store-1");
  ASSERT_OK(Beat(kWorker1, old_process));
  Start(kServer1);
  Place();
  const std::int64_t new_process = Register(kWorker1, "store-1");
  EXPECT_GT(new_process, old_process);
  EXPECT_THAT(Beat(kWorker1, old_process), StatusIs(absl::StatusCode::kAborted, "incarnation"));
  const auto granted = Beat(kWorker1, new_process);
  ASSERT_EQ(granted->leases.size(), 1u);
  EXPECT_EQ(granted->leases[0].generation, 2);
  EXPECT_THAT(workers_->Register({.id = kWorker1,
                                  .endpoint = "192.0.2.1:1",
                                  .store_id = "store-2",
                                  .max_server_count = 10}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "store_id"));
}

// A worker opens a group with the disks it has: with others it opens it anew, and what still writes
// to the one before must be fenced off.
TEST_F(LeaseTest, OtherDisksGetANewGeneration) {
  const std::int64_t worker = Register(kWorker1, "store-1");
  ASSERT_OK(Beat(kWorker1, worker));
  Start(kServer1);
  Place();
  AgentReport report;
  report.server = Load(kServer1);
  const auto beat = [&] {
    EXPECT_OK(agents_->Heartbeat(report));
    const auto granted = Beat(kWorker1, worker);
    EXPECT_EQ(granted->leases.size(), 1u);
    return granted->leases[0];
  };
  EXPECT_EQ(beat().generation, 1);
  report.server.disks[0].tracker = "another";
  report.server.disks[0].pending_bytes = 7;
  EXPECT_EQ(beat().generation, 1) << "the same disks";
  report.server.disks.push_back(
      {.disk_id = "d-00000000000000002", .device_name = "/dev/sdb", .size_bytes = 1 << 20});
  const auto added = beat();
  EXPECT_EQ(added.generation, 2);
  ASSERT_EQ(added.disks.size(), 2u);
  // Resized: another id.
  report.server.disks[1].disk_id = "d-00000000000000003";
  report.server.disks[1].size_bytes = 2 << 20;
  const auto resized = beat();
  EXPECT_EQ(resized.generation, 3);
  ASSERT_EQ(resized.disks.size(), 2u);
  EXPECT_EQ(resized.disks[1].disk_id, "d-00000000000000003");
  EXPECT_EQ(resized.disks[1].size_bytes, 2 << 20);
  report.server.disks.pop_back();
  const auto removed = beat();
  EXPECT_EQ(removed.generation, 4);
  EXPECT_EQ(removed.disks.size(), 1u);
  EXPECT_EQ(beat().generation, 4);
  EXPECT_EQ(Load(kServer1).worker_id, kWorker1);
  EXPECT_THAT(Report(kWorker1, worker, kServer1, 3, 1),
              StatusIs(absl::StatusCode::kAborted, "lease"));
  EXPECT_OK(Report(kWorker1, worker, kServer1, 4, 1));
}

TEST_F(LeaseTest, TwoCoordinatorsPlaceEveryServerOnce) {
  const std::int64_t first = Register(kWorker1, "a");
  const std::int64_t second = Register(kWorker2, "b");
  ASSERT_OK(Beat(kWorker1, first));
  ASSERT_OK(Beat(kWorker2, second));
  for (int i = 1; i <= 10; ++i) Start(absl::StrCat("s-", absl::Dec(i, absl::kZeroPad17)));
  const auto rounds = [this] {
    for (int i = 0; i < 20; ++i) EXPECT_OK(housekeeping_->Place([] { return false; }));
  };
  std::thread other(rounds);
  rounds();
  other.join();
  EXPECT_EQ(Beat(kWorker1, first)->leases.size(), 5u);
  EXPECT_EQ(Beat(kWorker2, second)->leases.size(), 5u);
  for (int i = 1; i <= 10; ++i) {
    EXPECT_EQ(Load(absl::StrCat("s-", absl::Dec(i, absl::kZeroPad17))).generation, 1);
  }
}

// Moving to another store replicates anew; the former replica goes after the first point there.
TEST_F(LeaseTest, DrainToAnotherStoreKeepsTheOldReplicaUntilTheFirstPoint) {
  const std::int64_t first = Register(kWorker1, "a");
  const std::int64_t second = Register(kWorker2, "b");
  ASSERT_OK(Beat(kWorker1, first));
  Start(kServer1);
  Place();
  ASSERT_OK(Report(kWorker1, first, kServer1, 1, 1));
  ASSERT_OK(Beat(kWorker2, second));
  ASSERT_OK(servers_->SetDraining(kWorker1, NewUuid(), true));
  Place();
  absl::SleepFor(kLease * 1.1);
  ASSERT_OK(Beat(kWorker1, first));
  ASSERT_OK(Beat(kWorker2, second));
  Place(false);
  Place();
  ASSERT_EQ(Load(kServer1).worker_id, kWorker2);
  EXPECT_EQ(Load(kServer1).store_id, "b");
  EXPECT_EQ(Load(kServer1).latest_point_id, "");
  EXPECT_TRUE(Beat(kWorker1, first)->orders.empty());
  ASSERT_OK(Report(kWorker2, second, kServer1, 2, 1));
  Place();
  const auto beat = Beat(kWorker1, first);
  ASSERT_EQ(beat->orders.size(), 1u);
  EXPECT_EQ(beat->orders[0].kind, store::OrderKind::kRemoveStaging);
  ASSERT_OK(workers_->ReportOrder(
      {.worker_id = kWorker1, .incarnation = first, .order_id = beat->orders[0].id}));
  EXPECT_NE(Load(kServer1).latest_point_id, "");
  EXPECT_EQ(Load(kServer1).store_id, "b");
}

}  // namespace
}  // namespace godwit::coordinator
