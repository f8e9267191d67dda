// Events of replication: two registries look at it, and each piece of news is told once.
#include "tests/rpc/services/registry/events/events_fixture.h"

namespace godwit::registry {
namespace {

using ::testing::ElementsAre;
using Replication = replication_pb::Replication;

class ReplicationEventsTest : public EventsTest {
 protected:
  void SetUp() override {
    installation_->config.told = {.hold = absl::Milliseconds(300),
                                  .lag = absl::Minutes(5),
                                  .lag_hold = absl::Milliseconds(300)};
    ASSERT_OK(StartRegistry());
  }
  void TearDown() override {
    installation_->replication.Show({});
    installation_->config.told = ToldLimits();
    EXPECT_OK(StartRegistry());
  }
  // What the replication service says from now on; waits until these events have come since
  // `token_`, in this order, and goes on from there.
  void ExpectNews(Replication replication, const std::vector<std::string>& types) {
    replication.set_name(server_ + "/replication");
    if (!replication.has_agent_seen_time()) {
      replication.mutable_agent_seen_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) + 600);
    }
    installation_->replication.Show({replication});
    const auto stub = EventsAs("user/viewer/bob");
    std::string next;
    EXPECT_TRUE(Eventually([&] {
      news_ = EventsSince(*stub, token_, &next);
      return news_.size() >= types.size();
    }));
    token_ = next;
    std::vector<std::string> told;
    for (const pb::Event& event : news_) {
      EXPECT_EQ(event.resource(), server_);
      EXPECT_EQ(event.principal(), "service/replication");
      told.push_back(pb::Event::Type_Name(event.type()));
    }
    EXPECT_EQ(told, types);
  }
  static Replication In(Replication::State state, int lag_seconds) {
    Replication replication;
    replication.set_state(state);
    replication.set_latest_point("sourceServers/s-0/points/p-0");
    replication.mutable_lag()->set_seconds(lag_seconds);
    return replication;
  }

  std::string server_, token_;
  std::vector<pb::Event> news_;
};

TEST_F(ReplicationEventsTest, EachIsToldOnceByTwoRegistries) {
  absl::StatusOr<std::unique_ptr<RegistryServer>> second =
      RegistryServer::Start(installation_->config, RealClock());
  ASSERT_OK(second);
  server_ = EnrolledServer();
  const std::string etag = Get(server_).etag();
  token_ = Now(*EventsAs("user/viewer/bob"));

  ExpectNews(In(Replication::CONTINUOUS, 1), {"INITIAL_SYNC_DONE"});
  Replication stalled = In(Replication::STALLED, 1);
  stalled.set_stall_cause(Replication::UNSTABLE_NETWORK);
  ExpectNews(stalled, {"REPLICATION_STALLED"});
  EXPECT_EQ(news_.at(0).cause(), "UNSTABLE_NETWORK");
  EXPECT_EQ(news_.at(0).etag(), etag) << "no new version of the server";
  ExpectNews(In(Replication::CONTINUOUS, 1), {"REPLICATION_NOT_STALLED"});
  EXPECT_EQ(news_.at(0).cause(), "UNSTABLE_NETWORK");
  ExpectNews(In(Replication::BACKLOG, 400), {"REPLICATION_LAGGING"});
  ExpectNews(In(Replication::CONTINUOUS, 2), {"REPLICATION_CAUGHT_UP"});
  Replication rescan = In(Replication::RESCAN, 2);
  rescan.mutable_health()->mutable_rescan_time()->set_seconds(1'780'000'000);
  rescan.mutable_health()->set_rescan_reason("marks were lost");
  ExpectNews(rescan, {"RESCAN_STARTED"});
  EXPECT_EQ(news_.at(0).cause(), "marks were lost");
  Replication silent = rescan;
  silent.mutable_agent_seen_time()->set_seconds(absl::ToUnixSeconds(absl::Now()) - 3600);
  ExpectNews(silent, {"AGENT_DISCONNECTED"});
  ExpectNews(rescan, {"AGENT_RECONNECTED"});

  // Filters know them.
  pb::ListEventsRequest request;
  request.mutable_filter()->add_types(pb::Event::REPLICATION_STALLED);
  request.mutable_filter()->add_types(pb::Event::AGENT_DISCONNECTED);
  request.mutable_filter()->add_source_servers(server_);
  const auto stub = EventsAs("user/viewer/bob");
  const auto list = Call(*stub, &Events::ListEvents, request);
  ASSERT_OK(list);
  EXPECT_EQ(list->events_size(), 2);
  request.mutable_filter()->add_types(pb::Event::TEST);
  EXPECT_THAT(Call(*stub, &Events::ListEvents, request),
              ::godwit::testing::StatusIs(absl::StatusCode::kInvalidArgument, "filter.types[2]"));
}

}  // namespace
}  // namespace godwit::registry
