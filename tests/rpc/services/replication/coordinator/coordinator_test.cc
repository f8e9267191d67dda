// The coordinator as its peers see it.
#include "absl/strings/escaping.h"
#include "tests/rpc/services/replication/coordinator/coordinator_fixture.h"

namespace godwit::coordinator {
namespace {

using ::godwit::testing::StatusIs;

TEST_F(CoordinatorTest, FromStartToContinuous) {
  EXPECT_THAT(AgentBeat(pb::AgentProgress::CONNECTING)->action(), pb::Directive::WAIT);
  ASSERT_OK(StartServer());
  ASSERT_OK_AND_ASSIGN(pb::Directive directive, AgentBeat(pb::AgentProgress::CONNECTING, 1 << 30));
  EXPECT_EQ(directive.action(), pb::Directive::WAIT);
  EXPECT_EQ(Get().state(), pb::Replication::INITIATING);

  Worker worker = Register("w-00000000000000001", "store-1");
  const std::int64_t generation = WaitForLease(worker);
  EXPECT_EQ(generation, 1);
  ASSERT_OK_AND_ASSIGN(directive, AgentBeat(pb::AgentProgress::CONNECTING, 1 << 30));
  EXPECT_EQ(directive.action(), pb::Directive::REPLICATE);
  EXPECT_EQ(directive.assignment().worker(), "workers/w-00000000000000001");
  EXPECT_EQ(directive.assignment().endpoint(), "192.0.2.1:7443");
  EXPECT_EQ(directive.assignment().lease_generation(), 1);

  ASSERT_OK(AgentBeat(pb::AgentProgress::INITIAL_SYNC, 1 << 29, 1));
  EXPECT_EQ(Get().state(), pb::Replication::INITIAL_SYNC);
  EXPECT_EQ(Get().backlog_bytes(), 1 << 29);
  EXPECT_FALSE(Get().has_lag());
  ASSERT_OK(AgentBeat(pb::AgentProgress::CUTTING, 0, 1));
  EXPECT_EQ(Get().state(), pb::Replication::CREATING_SNAPSHOT);

  registry_.SetReachable(false);
  ASSERT_OK(ReportPoint(worker, 1, 1));
  ASSERT_OK(ReportPoint(worker, 1, 1));  // again is harmless
  ASSERT_OK(AgentBeat(pb::AgentProgress::IDLE, 0, 1));
  const pb::Replication now = Get();
  EXPECT_EQ(now.state(), pb::Replication::CONTINUOUS);
  EXPECT_TRUE(now.has_lag());
  EXPECT_EQ(now.lease_generation(), 1);
  for (const pb::InitiationStep& step : now.initiation_steps()) {
    EXPECT_TRUE(step.status() == pb::InitiationStep::SUCCEEDED ||
                step.status() == pb::InitiationStep::SKIPPED)
        << step.DebugString();
  }
  // The registry learns of it once, however long it was away.
  EXPECT_TRUE(registry_.reports().empty());
  registry_.SetReachable(true);
  ASSERT_TRUE(Eventually([&] { return !registry_.reports().empty(); }));
  ASSERT_OK(ReportPoint(worker, 1, 2));
  absl::SleepFor(absl::Milliseconds(500));
  EXPECT_EQ(registry_.reports().size(), 1u);
  EXPECT_EQ(Name("/points/" + registry_.reports()[0].substr(20)), [&] {
    pb::ListPointsRequest request;
    request.set_parent(Name());
    return Call(*operator_, &Operator::ListPoints, request)->points(1).name();
  }());
}

TEST_F(CoordinatorTest, FreshPointAndClone) {
  Worker worker = Register("w-00000000000000001", "store-1");
  const std::int64_t generation = Replicate(worker);

  pb::RequestPointRequest ask;
  ask.set_parent(Name());
  ask.set_request_id(NewUuid());
  ask.set_description("before the upgrade");
  ASSERT_OK_AND_ASSIGN(pb::PointRequest asked, Call(*operator_, &Operator::RequestPoint, ask));
  EXPECT_EQ(asked.state(), pb::PointRequest::WAITING);
  ASSERT_OK(Call(*operator_, &Operator::RequestPoint, ask));
  ask.set_quiesce(true);
  EXPECT_THAT(Call(*operator_, &Operator::RequestPoint, ask),
              StatusIs(absl::StatusCode::kInvalidArgument, "request_id"));

  ASSERT_OK_AND_ASSIGN(const pb::Directive directive,
                       AgentBeat(pb::AgentProgress::IDLE, 0, generation));
  EXPECT_EQ(directive.point_order().request_id(), ask.request_id());
  ASSERT_OK(ReportPoint(worker, generation, 2, ask.request_id()));
  pb::GetPointRequestRequest poll;
  poll.set_name(asked.name());
  ASSERT_OK_AND_ASSIGN(asked, Call(*operator_, &Operator::GetPointRequest, poll));
  EXPECT_EQ(asked.state(), pb::PointRequest::SUCCEEDED);
  EXPECT_EQ(asked.point().epoch(), 2);
  EXPECT_EQ(asked.point().description(), "before the upgrade");
  EXPECT_FALSE(AgentBeat(pb::AgentProgress::IDLE, 0, generation)->has_point_order());

  // The worker makes the clone when its next heartbeats tell it to.
  std::thread carrying([&] {
    pb::WorkerOrder order;
    ASSERT_TRUE(Eventually([&] {
      const auto beat = Beat(worker, {generation});
      if (beat.ok() && beat->orders_size() == 1) order = beat->orders(0);
      return order.has_create_clone();
    }));
    EXPECT_EQ(order.create_clone().epoch(), 2);
    EXPECT_EQ(order.lease_generation(), generation);
    pb::ReportOrderRequest report;
    report.set_incarnation(worker.incarnation);
    report.set_order_id(order.order_id());
    pb::CloneDisk* disk = report.add_clone_disks();
    disk->set_disk_id(kDisk);
    disk->set_device_name("/dev/sda");
    disk->set_size_bytes(1 << 30);
    disk->set_is_boot_disk(true);
    disk->set_path("/store/clone.qcow2");
    EXPECT_OK(Call(*worker.stub, &WorkerStub::ReportOrder, report));
    EXPECT_OK(Call(*worker.stub, &WorkerStub::ReportOrder, report));
  });
  pb::CreateCloneRequest make;
  make.set_point(asked.point().name());
  make.set_request_id(NewUuid());
  const auto clone = Call(*operator_, &Operator::CreateClone, make);
  carrying.join();
  ASSERT_OK(clone);
  EXPECT_EQ(clone->disks(0).path(), "/store/clone.qcow2");
  EXPECT_EQ(Call(*operator_, &Operator::CreateClone, make)->name(), clone->name());

  pb::DeletePointRequest drop;
  drop.set_name(asked.point().name());
  EXPECT_THAT(Call(*operator_, &Operator::DeletePoint, drop),
              StatusIs(absl::StatusCode::kFailedPrecondition, "clones"));
  pb::DeleteCloneRequest unmake;
  unmake.set_name(clone->name());
  EXPECT_OK(Call(*operator_, &Operator::DeleteClone, unmake));
  EXPECT_OK(Call(*operator_, &Operator::DeleteClone, unmake));
  const auto beat = Beat(worker, {generation});
  ASSERT_OK(beat);
  ASSERT_EQ(beat->orders_size(), 1);
  EXPECT_EQ(beat->orders(0).delete_clone().clone_id(),
            clone->name().substr(clone->name().rfind('/') + 1));
}

TEST_F(CoordinatorTest, ServerMovesWhenItsWorkerDies) {
  Worker first = Register("w-00000000000000001", "shared");
  const std::int64_t generation = Replicate(first);
  Worker second = Register("w-00000000000000002", "shared");
  const absl::Time last_beat = absl::Now();
  ASSERT_OK(Beat(first, {generation}));
  std::int64_t moved = 0;
  ASSERT_TRUE(Eventually([&] {
    const auto beat = Beat(second);
    if (beat.ok() && beat->leases_size() == 1) moved = beat->leases(0).lease_generation();
    return moved > 0;
  }));
  EXPECT_GE(absl::Now() - last_beat, kLease);
  EXPECT_GT(moved, generation);
  EXPECT_THAT(ReportPoint(first, generation, 2), StatusIs(absl::StatusCode::kAborted, "lease"));
  EXPECT_THAT(ReportPoint(second, generation, 2), StatusIs(absl::StatusCode::kAborted, "lease"));
  EXPECT_OK(ReportPoint(second, moved, 2));
  EXPECT_EQ(AgentBeat(pb::AgentProgress::IDLE, 0, generation)->assignment().worker(),
            "workers/w-00000000000000002");
  // The first comes back with nothing.
  EXPECT_EQ(Beat(first, {generation})->leases_size(), 0);
}

TEST_F(CoordinatorTest, DrainAndShutdownHandOver) {
  Worker first = Register("w-00000000000000001", "shared");
  const std::int64_t generation = Replicate(first);
  Worker second = Register("w-00000000000000002", "shared");
  ASSERT_OK(Beat(second));
  pb::WorkerVerbRequest drain;
  drain.set_name("workers/w-00000000000000001");
  drain.set_request_id(NewUuid());
  ASSERT_OK_AND_ASSIGN(const pb::Worker drained, Call(*operator_, &Operator::DrainWorker, drain));
  EXPECT_EQ(drained.state(), pb::Worker::DRAINING);
  std::int64_t moved = 0;
  ASSERT_TRUE(Eventually([&] {
    EXPECT_OK(Beat(first));
    const auto beat = Beat(second);
    if (beat.ok() && beat->leases_size() == 1) moved = beat->leases(0).lease_generation();
    return moved > 0;
  }));
  EXPECT_GT(moved, generation);
  drain.set_request_id(NewUuid());
  ASSERT_OK(Call(*operator_, &Operator::UndrainWorker, drain));

  // A worker that shuts down and holds nothing any more frees its servers at once.
  const absl::Time asked = absl::Now();
  ASSERT_OK(Beat(second, {}, /*leaving=*/true));
  EXPECT_GT(WaitForLease(first), moved);
  EXPECT_LT(absl::Now() - asked, kLease);
}

TEST_F(CoordinatorTest, DisconnectUninstallsAndRemovesStaging) {
  Worker worker = Register("w-00000000000000001", "store-1");
  const std::int64_t generation = Replicate(worker);
  pb::EndServerRequest end;
  end.set_source_server(Name());
  end.set_request_id(NewUuid());
  ASSERT_OK_AND_ASSIGN(const pb::Replication ended,
                       Call(*registry_stub_, &Operator::EndServer, end));
  EXPECT_EQ(ended.state(), pb::Replication::DISCONNECTED);
  EXPECT_THAT(Call(*operator_, &Operator::EndServer, end),
              StatusIs(absl::StatusCode::kPermissionDenied, "service"));
  EXPECT_EQ(AgentBeat(pb::AgentProgress::IDLE, 0, generation)->action(), pb::Directive::UNINSTALL);
  pb::WorkerOrder order;
  ASSERT_TRUE(Eventually([&] {
    const auto beat = Beat(worker);
    if (beat.ok() && beat->orders_size() == 1) order = beat->orders(0);
    return order.has_remove_staging();
  }));
  EXPECT_EQ(order.lease_generation(), 0);
  EXPECT_THAT(StartServer(), StatusIs(absl::StatusCode::kUnavailable, "being removed"));
  pb::ReportOrderRequest report;
  report.set_incarnation(worker.incarnation);
  report.set_order_id(order.order_id());
  ASSERT_OK(Call(*worker.stub, &WorkerStub::ReportOrder, report));
  EXPECT_TRUE(Get().latest_point().empty());
  EXPECT_TRUE(Get().worker().empty());
  EXPECT_OK(StartServer());
}

TEST_F(CoordinatorTest, RefusesWhatIsNotRight) {
  registry_.Set(kServer, {.revoked = true});
  EXPECT_THAT(AgentBeat(pb::AgentProgress::IDLE),
              StatusIs(absl::StatusCode::kPermissionDenied, "revoked"));
  Worker worker = Register("w-00000000000000001", "store-1");
  worker.incarnation += 7;
  EXPECT_THAT(Beat(worker), StatusIs(absl::StatusCode::kAborted, "incarnation"));
  pb::GetReplicationRequest get;
  get.set_name("sourceServers/s-1/replication");
  EXPECT_THAT(Call(*operator_, &Operator::GetReplication, get),
              StatusIs(absl::StatusCode::kInvalidArgument, "name"));
  pb::ListPointsRequest list;
  list.set_parent(Name());
  list.set_page_size(501);
  EXPECT_THAT(Call(*operator_, &Operator::ListPoints, list),
              StatusIs(absl::StatusCode::kInvalidArgument, "page_size"));
  pb::RequestPointRequest ask;
  ask.set_parent(Name());
  ask.set_request_id("now");
  EXPECT_THAT(Call(*operator_, &Operator::RequestPoint, ask),
              StatusIs(absl::StatusCode::kInvalidArgument, "request_id"));
  auto viewer = pb::ReplicationService::NewStub(Channel("user/viewer/bob"));
  ask.set_request_id(NewUuid());
  EXPECT_THAT(Call(*viewer, &Operator::RequestPoint, ask),
              StatusIs(absl::StatusCode::kPermissionDenied, "operator"));
}

TEST_F(CoordinatorTest, BandwidthWindowsReachTheAgentAsTheyHold) {
  Worker worker = Register("w-00000000000000001", "store");
  const std::int64_t generation = Replicate(worker);
  const auto set = [&](const registry::v1::ReplicationSettings& settings) {
    registry_.Set(kServer, {.agent_allowed = true, .settings = settings.SerializeAsString()});
  };
  // A pause from an hour ago to in an hour, over whatever midnight lies between.
  const absl::CivilMinute now = absl::ToCivilMinute(absl::Now(), absl::UTCTimeZone());
  const int minute = now.hour() * 60 + now.minute();
  registry::v1::ReplicationSettings settings;
  auto& window = *settings.add_bandwidth_windows();
  window.set_start_minute((minute + 1380) % 1440);
  window.set_end_minute((minute + 60) % 1440);
  set(settings);
  const auto beat = [&] { return AgentBeat(pb::AgentProgress::COPYING, 1 << 20, generation); };
  ASSERT_OK_AND_ASSIGN(pb::Directive directive, beat());
  EXPECT_EQ(directive.action(), pb::Directive::REPLICATE);
  EXPECT_TRUE(directive.settings().sending_paused());
  EXPECT_NE(Get().state(), pb::Replication::PAUSED) << "nobody paused it";
  // A fresh point waits, and comes once sending goes on.
  pb::RequestPointRequest ask;
  ask.set_parent(Name());
  ask.set_request_id(NewUuid());
  ASSERT_OK(Call(*operator_, &Operator::RequestPoint, ask));
  ASSERT_OK_AND_ASSIGN(directive, beat());
  EXPECT_FALSE(directive.has_point_order());

  window.set_limit_bytes_per_second(900);
  set(settings);
  ASSERT_OK_AND_ASSIGN(directive, beat());
  EXPECT_FALSE(directive.settings().sending_paused());
  EXPECT_EQ(directive.settings().bandwidth_limit_bytes_per_second(), 900);
  EXPECT_EQ(directive.point_order().request_id(), ask.request_id());
}

TEST_F(CoordinatorTest, WatchShowsTheStateAndEveryChange) {
  ASSERT_OK(StartServer());
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(20));
  const auto stream = operator_->WatchReplications(&context, {});
  pb::Replication seen;
  ASSERT_TRUE(stream->Read(&seen));
  EXPECT_EQ(seen.state(), pb::Replication::INITIATING);
  pb::ReplicationVerbRequest pause;
  pause.set_name(Name("/replication"));
  pause.set_request_id(NewUuid());
  ASSERT_OK(Call(*operator_, &Operator::PauseReplication, pause));
  ASSERT_TRUE(stream->Read(&seen));
  EXPECT_EQ(seen.state(), pb::Replication::PAUSED);
  context.TryCancel();
  stream->Finish();
}

TEST_F(CoordinatorTest, AWatchGoesOnAfterItsToken) {
  ASSERT_OK(StartServer());
  const auto verb = [this](auto method) {
    pb::ReplicationVerbRequest request;
    request.set_name(Name("/replication"));
    request.set_request_id(NewUuid());
    return Call(*operator_, method, request).status();
  };
  // The first message after `since`, when there is one soon; or how the stream ended.
  pb::WatchReplicationsRequest request;
  const auto next = [&](absl::Duration patience) -> absl::StatusOr<pb::Replication> {
    grpc::ClientContext context;
    rpc::SetTimeout(context, patience);
    const auto stream = operator_->WatchReplications(&context, request);
    pb::Replication seen;
    const bool read = stream->Read(&seen);
    if (read) context.TryCancel();  // else it has ended by itself, and says why
    const absl::Status ended = rpc::FromGrpc(stream->Finish());
    if (!read) return ended;
    request.set_since(seen.watch_token());
    return seen;
  };
  // Nobody judges a paused one, so that nothing changes by itself.
  ASSERT_OK(verb(&Operator::PauseReplication));
  auto seen = next(absl::Seconds(20));
  ASSERT_OK(seen);
  ASSERT_NE(request.since(), "");
  const std::string first = request.since();
  EXPECT_EQ(next(absl::Seconds(2)).status().code(), absl::StatusCode::kDeadlineExceeded)
      << "nothing that was sent comes again";
  ASSERT_OK(verb(&Operator::ResumeReplication));
  ASSERT_OK(verb(&Operator::PauseReplication));
  seen = next(absl::Seconds(20));
  ASSERT_OK(seen);
  EXPECT_EQ(seen->state(), pb::Replication::PAUSED) << "the newest state, what was between is not";
  EXPECT_NE(request.since(), first);
  EXPECT_EQ(next(absl::Seconds(2)).status().code(), absl::StatusCode::kDeadlineExceeded);
  request.set_since(first);
  ASSERT_OK(next(absl::Seconds(20)));

  request.set_since("nonsense");
  EXPECT_THAT(next(absl::Seconds(20)),
              ::godwit::testing::StatusIs(absl::StatusCode::kInvalidArgument, "since"));
  request.set_since(absl::WebSafeBase64Escape("r1/1-00000001/9:9:/0/"));
  const auto refused = next(absl::Seconds(20));
  EXPECT_THAT(refused,
              ::godwit::testing::StatusIs(absl::StatusCode::kOutOfRange, "another database"));
  EXPECT_EQ(rpc::GetInfo(refused.status()).reason, "STATE_GONE");
}

}  // namespace
}  // namespace godwit::coordinator
