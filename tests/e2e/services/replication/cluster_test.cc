// Points on demand, clones, restarts and take-over. Clones are compared with the source byte for
// byte.
#include "tests/e2e/services/replication/cluster_fixture.h"

namespace godwit::testing {
namespace {

TEST_F(ClusterTest, PointsSurviveRestartsAndTakeOver) {
  ASSERT_TRUE(Eventually([&] { return Get().state() == pb::Replication::CONTINUOUS; }))
      << Get().ShortDebugString();
  const std::int64_t generation = Get().lease_generation();
  ExpectFreshPointEqualsSource();

  // The coordinator dies: nothing moves, and it goes on where it was.
  cluster_->Get("replication").Signal(SIGKILL);
  loop_.Write(1 << 20, 65536, 77);
  ASSERT_OK(cluster_->StartService("replication"));
  ExpectFreshPointEqualsSource();
  EXPECT_EQ(Get().lease_generation(), generation);

  // The database is away for longer than a lease.
  ASSERT_OK(cluster_->StopPostgres("immediate"));
  loop_.Write(2 << 20, 65536, 78);
  absl::SleepFor(absl::Seconds(8));
  ASSERT_OK(cluster_->StartPostgres());
  ExpectFreshPointEqualsSource();
  EXPECT_EQ(Get().lease_generation(), generation);

  // The worker dies: another one on the same store takes over after its lease.
  ASSERT_OK(cluster_->AddWorker("worker-2", store_));
  cluster_->Get("worker-1").Signal(SIGKILL);
  loop_.Write(3 << 20, 65536, 79);
  const std::string second = absl::StrCat("workers/", MiniCluster::WorkerId("worker-2"));
  ASSERT_TRUE(Eventually([&] { return Get().worker() == second; })) << Get().ShortDebugString();
  EXPECT_GT(Get().lease_generation(), generation);
  ExpectFreshPointEqualsSource();
  ASSERT_OK(cluster_->StartService("worker-1"));
  loop_.Write(4 << 20, 65536, 80);
  ExpectFreshPointEqualsSource();
  EXPECT_EQ(Get().worker(), second);

  // A worker that is told to go hands over at once.
  ASSERT_OK(cluster_->Get("worker-2").Terminate());
  const std::string first = absl::StrCat("workers/", MiniCluster::WorkerId("worker-1"));
  ASSERT_TRUE(Eventually([&] { return Get().worker() == first; })) << Get().ShortDebugString();
  loop_.Write(5 << 20, 65536, 81);
  ExpectFreshPointEqualsSource();
}

// A worker that is stopped in the middle of its work, past its lease: another one takes over, and
// the one that wakes up changes nothing.
TEST_F(ClusterTest, AStoppedWorkerIsFencedOff) {
  ASSERT_TRUE(Eventually([&] { return Get().state() == pb::Replication::CONTINUOUS; }))
      << Get().ShortDebugString();
  ASSERT_OK(cluster_->AddWorker("worker-2", store_));
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (unsigned i = 0; !done; ++i) {
      loop_.Write((i * 37 % 480) * 65536, 32768, i);
      absl::SleepFor(absl::Milliseconds(5));
    }
  });
  absl::SleepFor(absl::Seconds(1));
  cluster_->Get("worker-1").Signal(SIGSTOP);
  const std::string second = absl::StrCat("workers/", MiniCluster::WorkerId("worker-2"));
  EXPECT_TRUE(Eventually([&] { return Get().worker() == second; })) << Get().ShortDebugString();
  absl::SleepFor(absl::Seconds(2));
  cluster_->Get("worker-1").Signal(SIGCONT);
  absl::SleepFor(absl::Seconds(3));
  done = true;
  writer.join();
  ExpectFreshPointEqualsSource();
  EXPECT_EQ(Get().worker(), second);
}

}  // namespace
}  // namespace godwit::testing
