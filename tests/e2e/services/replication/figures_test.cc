// What operators are told: which stage holds replication up, what was missed on the source, what
// the replica and its points hold.
#include <gmock/gmock.h>

#include "tests/e2e/services/replication/cluster_fixture.h"

namespace godwit::testing {
namespace {

using ::testing::HasSubstr;

class FiguresTest : public ClusterTest {
 protected:
  void Restart(const std::string& service, const std::string& failpoint) {
    cluster_->Get(service).Signal(SIGKILL);
    ASSERT_OK(cluster_->StartService(
        service, failpoint.empty()
                     ? std::map<std::string, std::string>{}
                     : std::map<std::string, std::string>{{"GODWIT_FAILPOINT", failpoint}}));
  }
  // While somebody writes as fast as the disk takes it.
  void ExpectStage(pb::Bottleneck::Stage stage) {
    std::atomic<bool> done = false;
    std::thread writer([&] {
      for (unsigned i = 0; !done; ++i) {
        loop_.Write((i * 37 % 480) * 65536, 65536, i);
        absl::SleepFor(absl::Milliseconds(2));
      }
    });
    EXPECT_TRUE(Eventually([&] { return Get().bottleneck().stage() == stage; }))
        << pb::Bottleneck::Stage_Name(stage) << " expected: " << Get().ShortDebugString();
    done = true;
    writer.join();
    const pb::Bottleneck found = Get().bottleneck();
    if (found.stage() != stage) return;  // another one since
    EXPECT_FALSE(found.action().empty());
    ASSERT_GE(found.shares_size(), 1);
    EXPECT_EQ(found.shares(0).stage(), stage);
    EXPECT_EQ(found.shares(0).permille(), found.busy_permille());
  }
};

TEST_F(FiguresTest, TheStageThatIsSlowIsNamed) {
  ASSERT_TRUE(Eventually([&] { return Get().state() == pb::Replication::CONTINUOUS; }))
      << Get().ShortDebugString();
  const struct {
    const char* failpoint;
    pb::Bottleneck::Stage stage;
  } cases[] = {{"worker.verify:*:delay=100", pb::Bottleneck::WORKER_CPU},
               {"worker.write:*:delay=100", pb::Bottleneck::WORKER_DISK},
               {"worker.sync:*:delay=300", pb::Bottleneck::WORKER_SYNC}};
  for (const auto& each : cases) {
    Restart("worker-1", each.failpoint);
    ExpectStage(each.stage);
  }
  Restart("worker-1", "");
  Restart("replication", "coordinator.point.saved:*:delay=3000");
  ExpectStage(pb::Bottleneck::DATABASE);
  Restart("replication", "");
  ExpectFreshPointEqualsSource();
}

TEST_F(FiguresTest, LossesAreSeenAndTheDiskIsCompared) {
  ASSERT_TRUE(Eventually([&] { return Get().state() == pb::Replication::CONTINUOUS; }))
      << Get().ShortDebugString();
  EXPECT_EQ(Get().health().losses_size(), 0) << Get().health().ShortDebugString();
  const int rescans = Get().health().rescan_count();
  // The kernel counts a write behind what it was told of as the disk.
  loop_.Resize(kBytes + 4 * block::kBlockSize);
  loop_.Write(kBytes + 512, 512, 1);
  EXPECT_TRUE(Eventually([&] { return Get().health().rescan_count() > rescans; }))
      << Get().health().ShortDebugString();
  const pb::CaptureHealth health = Get().health();
  ASSERT_EQ(health.losses_size(), 1) << health.ShortDebugString();
  EXPECT_EQ(health.losses(0).kind(), pb::Loss::OUT_OF_RANGE);
  EXPECT_EQ(health.losses(0).count(), 1);
  EXPECT_THAT(health.rescan_reason(), HasSubstr("1 requests outside of the disk"));
  EXPECT_THAT(health.rescan_reason(), HasSubstr(device_.disk_id));
  EXPECT_TRUE(health.has_rescan_time());
  loop_.Resize(kBytes);
  ExpectFreshPointEqualsSource();
}

TEST_F(FiguresTest, WhatPointsAndReplicaHoldIsSeen) {
  ASSERT_TRUE(Eventually([&] { return Get().state() == pb::Replication::CONTINUOUS; }))
      << Get().ShortDebugString();
  // The same 2 MiB twice: the first copy is the first point's alone.
  for (const unsigned seed : {100u, 200u}) {
    for (unsigned i = 0; i < 32; ++i) loop_.Write(i * 65536, 65536, seed + i);
    ExpectFreshPointEqualsSource();
  }
  pb::ListPointsRequest request;
  request.set_parent(Name());
  pb::ListPointsResponse list;
  EXPECT_TRUE(Eventually([&] {
    const auto found = Call(*operator_, &Operator::ListPoints, request);
    if (found.ok()) list = *found;
    return std::any_of(list.points().begin(), list.points().end(), [](const pb::Point& point) {
      return point.own_bytes() >= 2 << 20 && point.own_bytes() < 4 << 20;
    });
  })) << list.ShortDebugString();
  EXPECT_FALSE(list.points(0).has_expire_time()) << "the newest";
  // 50 blocks of 64 KiB and what came since, and not much besides.
  EXPECT_GT(Get().stored_bytes(), 50 * 65536);
  EXPECT_LT(Get().stored_bytes(), 64 << 20);
}

}  // namespace
}  // namespace godwit::testing
