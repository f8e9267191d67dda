// What agents and workers measure and operators are told.
#include "godwit/registry/v1/settings.pb.h"
#include "tests/rpc/services/replication/coordinator/coordinator_fixture.h"

namespace godwit::coordinator {
namespace {

class FiguresTest : public CoordinatorTest {
 protected:
  absl::Status Sizes(Worker& worker, std::int64_t generation, std::int64_t stored,
                     const std::map<std::int64_t, std::int64_t>& own) {
    pb::WorkerHeartbeatRequest request;
    request.set_incarnation(worker.incarnation);
    pb::GroupStatus* group = request.add_groups();
    group->set_source_server(Name());
    group->set_lease_generation(generation);
    group->set_allocated_bytes(stored);
    for (const auto& [epoch, bytes] : own) {
      pb::PointSize* size = group->add_point_sizes();
      size->set_epoch(epoch);
      size->set_own_bytes(bytes);
    }
    return Call(*worker.stub, &WorkerStub::Heartbeat, request).status();
  }
  pb::ListPointsResponse List() {
    pb::ListPointsRequest request;
    request.set_parent(Name());
    const auto list = Call(*operator_, &Operator::ListPoints, request);
    EXPECT_OK(list);
    return list.ok() ? *list : pb::ListPointsResponse();
  }
};

TEST_F(FiguresTest, StagesAndLossesAreKept) {
  ASSERT_OK(StartServer());
  pb::AgentProgress progress;
  progress.set_phase(pb::AgentProgress::CONNECTING);
  pb::Bottleneck& bottleneck = *progress.mutable_bottleneck();
  bottleneck.set_stage(pb::Bottleneck::WORKER_SYNC);
  bottleneck.set_busy_permille(612);
  bottleneck.set_action("faster disks");
  for (const auto& [stage, permille] :
       {std::pair(pb::Bottleneck::WORKER_SYNC, 612), std::pair(pb::Bottleneck::LINK, 2000)}) {
    bottleneck.add_shares()->set_stage(stage);
    bottleneck.mutable_shares(bottleneck.shares_size() - 1)->set_permille(permille);
  }
  bottleneck.add_shares()->set_stage(static_cast<pb::Bottleneck::Stage>(77));
  pb::CaptureHealth& health = *progress.mutable_health();
  health.add_losses()->set_kind(pb::Loss::PASSTHROUGH);
  health.mutable_losses(0)->set_count(3);
  health.add_losses()->set_kind(pb::Loss::CAPTURE_DROPPED);  // none: nothing to tell
  health.set_rescan_count(2);
  health.set_rescan_reason("marks may be lost\n: 3 passthrough writes");
  SetTime(absl::FromUnixSeconds(1780000000), health.mutable_rescan_time());
  ASSERT_OK(AgentBeat(progress));

  const pb::Replication found = Get();
  EXPECT_EQ(found.bottleneck().stage(), pb::Bottleneck::WORKER_SYNC);
  ASSERT_EQ(found.bottleneck().shares_size(), 2) << "what is not known is left out";
  EXPECT_EQ(found.bottleneck().shares(0).permille(), 612);
  EXPECT_EQ(found.bottleneck().shares(1).stage(), pb::Bottleneck::LINK);
  EXPECT_EQ(found.bottleneck().shares(1).permille(), 1000);
  ASSERT_EQ(found.health().losses_size(), 1);
  EXPECT_EQ(found.health().losses(0).kind(), pb::Loss::PASSTHROUGH);
  EXPECT_EQ(found.health().losses(0).count(), 3);
  EXPECT_EQ(found.health().rescan_count(), 2);
  EXPECT_EQ(found.health().rescan_reason(), "marks may be lost : 3 passthrough writes");
  EXPECT_EQ(found.health().rescan_time().seconds(), 1780000000);

  health.mutable_rescan_time()->set_seconds(-1);
  EXPECT_EQ(AgentBeat(progress).status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_OK(AgentBeat(pb::AgentProgress()));
  EXPECT_EQ(Get().health().losses_size(), 0) << "the newest report counts";
}

TEST_F(FiguresTest, TheWeightOfTheSettingsIsInTheLease) {
  registry::v1::ReplicationSettings settings;
  settings.set_share_weight(7);
  registry_.Set(kServer, {.agent_allowed = true, .settings = settings.SerializeAsString()});
  Worker worker = Register("w-00000000000000001", "store-1");
  Replicate(worker);
  ASSERT_OK_AND_ASSIGN(const auto beat, Beat(worker));
  ASSERT_EQ(beat.leases_size(), 1);
  EXPECT_EQ(beat.leases(0).share_weight(), 7);
}

TEST_F(FiguresTest, WhatPointsHoldAndWhenTheyExpire) {
  Worker worker = Register("w-00000000000000001", "store-1");
  const std::int64_t generation = Replicate(worker);
  ASSERT_OK(ReportPoint(worker, generation, 2));
  ASSERT_OK(ReportPoint(worker, generation, 3));
  ASSERT_EQ(List().points_size(), 3);
  EXPECT_FALSE(List().points(0).has_own_bytes()) << "not known yet";

  ASSERT_OK(Sizes(worker, generation, 5 << 20, {{1, 0}, {2, 4096}, {77, 1}}));
  EXPECT_EQ(Get().stored_bytes(), 5 << 20);
  pb::ListPointsResponse list = List();
  EXPECT_FALSE(list.points(0).has_own_bytes());
  EXPECT_EQ(list.points(1).own_bytes(), 4096);
  EXPECT_TRUE(list.points(2).has_own_bytes());
  EXPECT_EQ(list.points(2).own_bytes(), 0);
  // Who had the lease before says nothing any more; a heartbeat without sizes changes nothing.
  ASSERT_OK(Sizes(worker, generation + 1, 1, {{2, 1}}));
  ASSERT_OK(Sizes(worker, generation, 6 << 20, {}));
  EXPECT_EQ(Get().stored_bytes(), 6 << 20);
  EXPECT_EQ(List().points(1).own_bytes(), 4096);

  // By the default all points are kept for a minute, and the first of each day for a week.
  EXPECT_FALSE(list.points(0).has_expire_time()) << "the newest";
  ASSERT_TRUE(list.points(1).has_expire_time());
  ASSERT_TRUE(list.points(2).has_expire_time());
  const std::int64_t day =
      list.points(2).expire_time().seconds() - list.points(2).cut_time().seconds();
  EXPECT_NEAR(static_cast<double>(day), 7 * 24 * 3600, 2);
  EXPECT_LE(list.points(1).expire_time().seconds(), list.points(2).expire_time().seconds());
  pb::UpdatePointRequest pin;
  pin.set_name(list.points(1).name());
  pin.set_pinned(true);
  ASSERT_OK(Call(*operator_, &Operator::UpdatePoint, pin));
  EXPECT_FALSE(List().points(1).has_expire_time());
  pb::GetPointRequestByName get;
  get.set_name(list.points(2).name());
  ASSERT_OK_AND_ASSIGN(const pb::Point first, Call(*operator_, &Operator::GetPoint, get));
  EXPECT_EQ(first.expire_time().seconds(), list.points(2).expire_time().seconds());
}

}  // namespace
}  // namespace godwit::coordinator
