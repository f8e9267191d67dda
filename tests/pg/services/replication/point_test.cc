// Points are recorded once, answered, expired and never lost while somebody needs them.
#include "services/common/base/clock.h"
#include "tests/pg/services/replication/fixture.h"

namespace godwit::coordinator {
namespace {

using ::godwit::testing::StatusIs;

class PointTest : public OneServerTest {
 protected:
  std::vector<store::Point> List() {
    const auto points = points_->List(kServer1, 0, 100);
    EXPECT_OK(points);
    return points.ok() ? *points : std::vector<store::Point>();
  }
};

TEST_F(PointTest, RepeatedReportsChangeNothing) {
  ASSERT_OK(Point(1));
  ASSERT_OK(Point(2));
  const std::vector<store::Point> before = List();
  ASSERT_OK(Point(1, absl::Hours(1)));
  const std::vector<store::Point> after = List();
  ASSERT_EQ(after.size(), 2u);
  EXPECT_EQ(after[0].epoch, 2);
  EXPECT_EQ(after[1].id, before[1].id);
  EXPECT_EQ(after[1].cut_time, before[1].cut_time);
}

TEST_F(PointTest, RegistryIsToldOfTheFirstPointOncePerStay) {
  registry_.SetReachable(false);
  ASSERT_OK(Point(1));
  ASSERT_OK(Point(2));
  ASSERT_OK(housekeeping_->DeliverSyncDone());
  EXPECT_TRUE(registry_.reports().empty());
  registry_.SetReachable(true);
  absl::SleepFor(absl::Seconds(2.5));  // the backoff after the first failure
  ASSERT_OK(housekeeping_->DeliverSyncDone());
  ASSERT_OK(housekeeping_->DeliverSyncDone());
  EXPECT_EQ(registry_.reports().size(), 1u);
  // Stopped and started again: NOT_READY until the next point.
  ASSERT_OK(servers_->End(kServer1, NewUuid(), {.stop_only = true}));
  ASSERT_OK(servers_->Start(kServer1, NewUuid()));
  ASSERT_OK(Point(3));
  ASSERT_OK(housekeeping_->DeliverSyncDone());
  EXPECT_EQ(registry_.reports().size(), 2u);
}

TEST_F(PointTest, RequestsEndWithAPointAFailureOrTheirDeadline) {
  const std::string good = NewUuid(), bad = NewUuid(), late = NewUuid();
  ASSERT_OK(points_->Request({.id = good, .server_id = kServer1, .timeout = absl::Minutes(1)}));
  ASSERT_OK(Point(1, absl::ZeroDuration(), good));
  const auto answered = points_->GetRequest(kServer1, good);
  ASSERT_OK(answered);
  EXPECT_EQ(answered->request.state, store::RequestState::kSucceeded);
  EXPECT_EQ(answered->point->epoch, 1);

  ASSERT_OK(points_->Request({.id = bad, .server_id = kServer1, .timeout = absl::Minutes(1)}));
  AgentReport report;
  report.server.id = kServer1;
  report.server.disks = Load(kServer1).disks;
  report.point = {.request_id = bad, .failed = true, .error_message = "hook failed"};
  ASSERT_OK(agents_->Heartbeat(report));
  EXPECT_EQ(points_->GetRequest(kServer1, bad)->request.state, store::RequestState::kFailed);
  EXPECT_EQ(points_->GetRequest(kServer1, bad)->request.error_message, "hook failed");

  ASSERT_OK(points_->Request({.id = late, .server_id = kServer1, .timeout = absl::Seconds(1)}));
  absl::SleepFor(absl::Seconds(1.2));
  EXPECT_EQ(points_->GetRequest(kServer1, late)->request.state, store::RequestState::kFailed);
  // What ended stays ended.
  ASSERT_OK(Point(2, absl::ZeroDuration(), late));
  EXPECT_EQ(points_->GetRequest(kServer1, late)->request.state, store::RequestState::kFailed);
  EXPECT_THAT(points_->Request({.id = NewUuid(), .server_id = kServer2}),
              StatusIs(absl::StatusCode::kNotFound, kServer2));
}

TEST_F(PointTest, ExpiryOrdersTheWorkerAndSparesWhatIsNeeded) {
  for (int epoch = 1; epoch <= 5; ++epoch) {
    ASSERT_OK(Point(epoch, absl::Minutes(10) - absl::Seconds(epoch)));
  }
  const std::vector<store::Point> points = List();  // 5, 4, 3, 2, 1
  ASSERT_OK(points_->Update(kServer1, points[3].id, std::nullopt, true));
  const absl::Time no_wait = SteadyNow();
  EXPECT_THAT(points_->CreateClone(kServer1, points[2].id, NewUuid(), no_wait),
              StatusIs(absl::StatusCode::kUnavailable, "same request_id"));
  ASSERT_OK(housekeeping_->ExpirePoints());
  std::vector<std::int64_t> left;
  for (const store::Point& point : List()) left.push_back(point.epoch);
  EXPECT_THAT(left, ::testing::ElementsAre(5, 3, 2));
  EXPECT_THAT(points_->Delete(kServer1, points[3].id),
              StatusIs(absl::StatusCode::kFailedPrecondition, "pinned"));
  EXPECT_THAT(points_->Delete(kServer1, points[2].id),
              StatusIs(absl::StatusCode::kFailedPrecondition, "clones"));
  EXPECT_THAT(points_->Delete(kServer1, points[0].id),
              StatusIs(absl::StatusCode::kFailedPrecondition, "newest"));

  const auto beat = Beat(kWorker1, incarnation_);
  ASSERT_EQ(beat->orders.size(), 2u);
  EXPECT_EQ(beat->orders[0].kind, store::OrderKind::kCreateClone);
  EXPECT_EQ(beat->orders[0].clone_epoch, 3);
  EXPECT_EQ(beat->orders[1].kind, store::OrderKind::kDeletePoints);
  EXPECT_THAT(beat->orders[1].epochs, ::testing::UnorderedElementsAre(1, 4));
  const OrderReport failed{.worker_id = kWorker1,
                           .incarnation = incarnation_,
                           .order_id = beat->orders[1].id,
                           .status = absl::InternalError("disk")};
  ASSERT_OK(workers_->ReportOrder(failed));
  EXPECT_EQ(Beat(kWorker1, incarnation_)->orders.size(), 1u);  // later again
  absl::SleepFor(absl::Seconds(1.2));
  ASSERT_EQ(Beat(kWorker1, incarnation_)->orders.size(), 2u);
  ASSERT_OK(workers_->ReportOrder(
      {.worker_id = kWorker1, .incarnation = incarnation_, .order_id = beat->orders[1].id}));
  EXPECT_EQ(Beat(kWorker1, incarnation_)->orders.size(), 1u);
  // A late report does not bring a deleted point back.
  ASSERT_OK(Point(4));
  EXPECT_EQ(List().size(), 3u);
}

TEST_F(PointTest, CloneThatCannotBeMadeSaysWhy) {
  ASSERT_OK(Point(1));
  const std::string request = NewUuid(), point = List()[0].id;
  EXPECT_THAT(points_->CreateClone(kServer1, point, request, SteadyNow()),
              StatusIs(absl::StatusCode::kUnavailable, ""));
  // Nobody waits for the answer any more: the caller went, or the service stops.
  int asked = 0;
  EXPECT_THAT(points_->CreateClone(kServer1, point, request, absl::InfiniteFuture(),
                                   [&] { return ++asked == 2; }),
              StatusIs(absl::StatusCode::kUnavailable, "same request_id"));
  EXPECT_EQ(asked, 2);
  const auto beat = Beat(kWorker1, incarnation_);
  ASSERT_OK(workers_->ReportOrder({.worker_id = kWorker1,
                                   .incarnation = incarnation_,
                                   .order_id = beat->orders[0].id,
                                   .status = absl::DataLossError("layer is damaged")}));
  EXPECT_THAT(points_->CreateClone(kServer1, point, request, SteadyNow()),
              StatusIs(absl::StatusCode::kDataLoss, "layer is damaged"));
}

TEST_F(PointTest, WhatArrivedCanBeAskedForBeforeTheFirstPoint) {
  const std::string early = NewUuid(), later = NewUuid();
  EXPECT_THAT(points_->CreateClone(kServer1, kNewestPoint, early, SteadyNow()),
              StatusIs(absl::StatusCode::kUnavailable, "same request_id"));
  const auto beat = Beat(kWorker1, incarnation_);
  ASSERT_EQ(beat->orders.size(), 1u);
  EXPECT_EQ(beat->orders[0].clone_epoch, 0);
  ASSERT_OK(Point(1));
  ASSERT_OK(workers_->ReportOrder(
      {.worker_id = kWorker1,
       .incarnation = incarnation_,
       .order_id = beat->orders[0].id,
       .clone_disks = {{.disk_id = "d-00000000000000001", .path = "/clone"}}}));
  ASSERT_OK_AND_ASSIGN(const store::Clone view,
                       points_->CreateClone(kServer1, kNewestPoint, early, SteadyNow()));
  EXPECT_EQ(view.point_id, "") << "the same request is the same clone";
  EXPECT_THAT(points_->CreateClone(kServer1, kNewestPoint, later, SteadyNow()),
              StatusIs(absl::StatusCode::kUnavailable, ""));
  EXPECT_EQ(Beat(kWorker1, incarnation_)->orders.at(0).clone_epoch, 1) << "the newest point";
  ASSERT_OK(points_->DeleteClone(kServer1, view.id));
  EXPECT_EQ(Beat(kWorker1, incarnation_)->orders.size(), 2u) << "its files are removed";
}

TEST_F(PointTest, VerbsAreIdempotentByRequestId) {
  const std::string request = NewUuid();
  ASSERT_OK(servers_->Pause(kServer1, request));
  ASSERT_OK(servers_->Resume(kServer1, NewUuid()));
  const auto again = servers_->Pause(kServer1, request);
  ASSERT_OK(again);
  EXPECT_EQ(again->wish, Wish::kReplicate);  // it was carried out before: nothing happens now
  EXPECT_THAT(servers_->Resume(kServer1, request),
              StatusIs(absl::StatusCode::kInvalidArgument, "request_id"));
  EXPECT_THAT(servers_->Retry(kServer1, NewUuid()),
              StatusIs(absl::StatusCode::kFailedPrecondition, "not stalled"));
}

}  // namespace
}  // namespace godwit::coordinator
