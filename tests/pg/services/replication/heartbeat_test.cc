// What an agent is told at its heartbeats, and what is saved of them.
#include <gmock/gmock.h>

#include <future>

#include "absl/strings/str_format.h"
#include "services/common/base/deadline_scope.h"
#include "services/replication/coordinator/engine/heartbeat_queue.h"
#include "services/replication/coordinator/store/worker_store.h"
#include "tests/pg/services/replication/fixture.h"

namespace godwit::coordinator {
namespace {

using ::testing::AnyOf;

// The queue, with answers to wait for.
class Queued {
 public:
  using Answer = std::shared_future<absl::StatusOr<AgentAnswer>>;
  explicit Queued(AgentReports& reports) : queue_(reports, RealClock()) {}
  Answer Add(AgentReport report, absl::Duration patience = absl::Minutes(1)) {
    auto promise = std::make_shared<std::promise<absl::StatusOr<AgentAnswer>>>();
    queue_.Add(std::move(report), patience,
               [promise](auto answer) { promise->set_value(std::move(answer)); });
    return promise->get_future().share();
  }

 private:
  HeartbeatQueue queue_;
};

class HeartbeatTest : public CoordinatorPgTest {
 protected:
  static std::string Id(int i) { return absl::StrFormat("s-%017x", i); }
  // `count` servers that a worker holds.
  void StartMany(int count) {
    const std::int64_t worker = Register(kWorker1, "shared");
    ASSERT_OK(Beat(kWorker1, worker));
    for (int i = 1; i <= count; ++i) Start(Id(i));
    Place();
    // The new state is told with a report of its own.
    for (int i = 1; i <= count; ++i) ASSERT_OK(agents_->Heartbeat(Copying(Id(i), 0)));
  }
  static AgentReport Copying(const std::string& server, std::int64_t pending) {
    AgentReport report;
    report.server.id = server;
    report.server.boot_id = "boot";
    report.server.agent_version = "1 \"quoted\" \\ \xc3\xa4";
    report.server.phase = Phase::kCopying;
    report.server.connected_generation = 1;
    report.server.reported_lag = absl::Seconds(2);
    report.server.sent_bytes = 7 * pending;
    report.server.losses = {{1, 2}, {3, 4}};
    report.server.disks = {{.disk_id = "d-00000000000000001",
                            .device_name = "/dev/sda",
                            .size_bytes = 1 << 30,
                            .is_boot_disk = true,
                            .pending_bytes = pending,
                            .replicated_bytes = 1 << 20}};
    return report;
  }
  std::int64_t Commits() {
    auto connection = pool_->Acquire();
    const auto found = (*connection)->Exec({"heartbeat_test_xids", "select txid_current()"});
    EXPECT_OK(found);
    return found.ok() ? found->Int(0, 0) : 0;
  }
};

TEST_F(HeartbeatTest, AgentsOfALargeFleetCallRightAfterAWindowChanges) {
  absl::Duration steady;  // from the heartbeat on
  agents_ =
      std::make_unique<AgentReports>(*pool_, registry_, [&](const std::string&, absl::Time now) {
        return Settings{.bandwidth = {.paused = true, .until = now + steady},
                        .retention = DefaultRetention()};
      });
  agents_->SetFleetSize(1000000);
  const std::int64_t worker = Register(kWorker1, "shared");
  ASSERT_OK(Beat(kWorker1, worker));
  steady = absl::InfiniteDuration();
  Start(kServer1);
  Place();
  const auto interval = [&](absl::Duration window) {
    steady = window;
    const auto answer = AgentBeat(kServer1);
    EXPECT_OK(answer);
    if (!answer.ok()) return absl::ZeroDuration();
    EXPECT_EQ(answer->action, Action::kReplicate);
    EXPECT_TRUE(answer->settings.bandwidth.paused);
    return answer->heartbeat_interval;
  };
  EXPECT_EQ(interval(absl::InfiniteDuration()), absl::Seconds(10));
  EXPECT_EQ(interval(absl::Minutes(1)), absl::Seconds(10));
  EXPECT_EQ(interval(absl::Milliseconds(2500)), absl::Milliseconds(2500));
  EXPECT_EQ(interval(absl::Milliseconds(1)), absl::Milliseconds(100));
}

TEST_F(HeartbeatTest, ManyAtOnceAreSavedTogetherAndWhole) {
  constexpr int kServers = 8, kRounds = 25;
  ASSERT_NO_FATAL_FAILURE(StartMany(kServers));
  const std::int64_t before = Commits();
  for (int round = 1; round <= kRounds; ++round) {
    std::vector<AgentReport> reports;
    for (int i = 1; i <= kServers; ++i) reports.push_back(Copying(Id(i), i * 1000 + round));
    std::vector<const AgentReport*> all;
    for (const AgentReport& report : reports) all.push_back(&report);
    for (const AgentReports::Saved& saved : agents_->SaveTogether(all)) {
      ASSERT_OK(saved);
      ASSERT_TRUE(saved->has_value());
      EXPECT_EQ((*saved)->action, Action::kReplicate);
    }
  }
  EXPECT_EQ(Commits() - before, kRounds + 1) << "this question is one, too";
  for (int i = 1; i <= kServers; ++i) {
    const Server server = Load(Id(i));
    EXPECT_EQ(server.disks[0].pending_bytes, i * 1000 + kRounds);
    EXPECT_EQ(server.disks[0].replicated_bytes, 1 << 20);
    EXPECT_EQ(server.sent_bytes, 7 * (i * 1000 + kRounds));
    EXPECT_EQ(server.agent_version, "1 \"quoted\" \\ \xc3\xa4");
    EXPECT_EQ(server.losses, (Figures{{1, 2}, {3, 4}}));
    EXPECT_EQ(server.phase, Phase::kCopying);
    ASSERT_TRUE(server.agent_seen_time && server.flow_time && server.idle_time);
    EXPECT_LT(server.now - *server.agent_seen_time, absl::Minutes(1));
    EXPECT_GT(*server.agent_seen_time - *server.idle_time, absl::Seconds(1)) << "the lag";
    EXPECT_EQ(server.rescan_time, std::nullopt);
  }
}

TEST_F(HeartbeatTest, WhoHoldsOneServerHoldsNoOther) {
  ASSERT_NO_FATAL_FAILURE(StartMany(2));
  Queued queued(*agents_);
  auto holder = pool_->Acquire();
  ASSERT_OK(holder);
  ASSERT_OK((*holder)->Run("begin"));
  ASSERT_OK(store::LockServer(**holder, Id(1)).status());
  const auto held = queued.Add(Copying(Id(1), 11));
  for (int i = 0; i < 20; ++i) ASSERT_OK(queued.Add(Copying(Id(2), i)).get());
  EXPECT_EQ(held.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  ASSERT_OK((*holder)->Run("commit"));
  EXPECT_OK(held.get());
  EXPECT_EQ(Load(Id(1)).disks[0].pending_bytes, 11);
}

TEST_F(HeartbeatTest, OneThatNobodyWaitsForAnyMoreIsNotSaved) {
  ASSERT_NO_FATAL_FAILURE(StartMany(1));
  Queued queued(*agents_);
  EXPECT_EQ(queued.Add(Copying(Id(1), 11), absl::ZeroDuration()).get().status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Load(Id(1)).disks[0].pending_bytes, 0);
}

TEST_F(HeartbeatTest, AllThatWaitAreAnsweredAtTheEnd) {
  ASSERT_NO_FATAL_FAILURE(StartMany(1));
  auto holder = pool_->Acquire();
  ASSERT_OK(holder);
  ASSERT_OK((*holder)->Run("begin"));
  ASSERT_OK(store::LockServer(**holder, Id(1)).status());
  std::vector<std::shared_future<absl::StatusOr<AgentAnswer>>> answers;
  {
    Queued queued(*agents_);
    for (int i = 0; i < 100; ++i) {
      answers.push_back(queued.Add(Copying(Id(1), i), absl::Milliseconds(500)));
    }
  }
  for (const auto& answer : answers) {
    ASSERT_EQ(answer.wait_for(std::chrono::seconds(0)), std::future_status::ready);
    EXPECT_THAT(answer.get().status().code(),
                AnyOf(absl::StatusCode::kCancelled, absl::StatusCode::kDeadlineExceeded));
  }
}

TEST_F(HeartbeatTest, AnAgentThatWasSilentIsJudgedAnew) {
  ASSERT_NO_FATAL_FAILURE(StartMany(1));
  const auto run = [&](const pg::Statement& statement) {
    auto connection = pool_->Acquire();
    return (*connection)->Exec(statement, {Id(1)}).status();
  };
  ASSERT_OK(run({"heartbeat_test_silence",
                 "update replication.server set state = 9, stall_cause = 1,"
                 " agent_seen_time = now() - interval '1 hour',"
                 " attempt_time = now() - interval '1 hour' where id = $1"}));
  const Server before = Load(Id(1));
  AgentReport report = Copying(Id(1), 1);
  report.server.connected_generation = 0;
  report.server.phase = Phase::kConnecting;
  // A transaction for itself or with others: the outcome is the same.
  const auto saved = agents_->SaveTogether({&report});
  ASSERT_OK(saved[0]);
  ASSERT_TRUE(saved[0]->has_value());
  const Server after = Load(Id(1));
  EXPECT_NE(after.state, State::kStalled) << "it has its time to connect again";
  EXPECT_EQ(after.stall_cause, StallCause::kNone);
  EXPECT_GT(after.attempt_time, before.attempt_time);
  EXPECT_GT(after.state_time, before.state_time);
  EXPECT_EQ(after.version, before.version + 1) << "the change has a row of history";
}

// A worker's heartbeat holds the worker's row and waits for those of its servers.
TEST_F(HeartbeatTest, AgentsDoNotWaitForTheRowOfTheirWorker) {
  ASSERT_NO_FATAL_FAILURE(StartMany(1));
  auto holder = pool_->Acquire();
  ASSERT_OK(holder);
  ASSERT_OK((*holder)->Run("begin"));
  const auto worker = (*holder)->Exec(
      {"heartbeat_test_worker", "select incarnation from replication.worker where id = $1"},
      {kWorker1});
  ASSERT_OK(worker);
  std::string store_id;
  ASSERT_OK(store::CheckIncarnation(**holder, kWorker1, worker->Int(0, 0), &store_id));
  const DeadlineScope deadline(absl::Seconds(20));
  ASSERT_OK(agents_->SaveAlone(Copying(Id(1), 12)));
  EXPECT_EQ(Load(Id(1)).disks[0].pending_bytes, 12);
}

TEST_F(HeartbeatTest, WhatIsMoreThanFiguresIsJudgedByItself) {
  ASSERT_NO_FATAL_FAILURE(StartMany(1));
  // An order reaches the agent with the next heartbeat.
  ASSERT_OK(agents_->Heartbeat(Copying(Id(1), 1)));
  const std::string id = NewUuid();
  {
    auto connection = pool_->Acquire();
    ASSERT_OK(store::InsertPointRequest(
        **connection, {.id = id, .server_id = Id(1), .timeout = absl::Minutes(1)}));
  }
  ASSERT_OK_AND_ASSIGN(const AgentAnswer ordered, agents_->Heartbeat(Copying(Id(1), 2)));
  ASSERT_TRUE(ordered.point_order);
  EXPECT_EQ(ordered.point_order->id, id);
  // Another disk: whoever writes to the former group is fenced off.
  AgentReport grown = Copying(Id(1), 3);
  grown.server.disks[0].size_bytes *= 2;
  ASSERT_OK(agents_->Heartbeat(grown));
  EXPECT_EQ(Load(Id(1)).generation, 2);
  // Settings of the registry.
  registry_.Set(Id(1), {.agent_allowed = true, .settings = "new"});
  ASSERT_OK(agents_->Heartbeat(grown));
  EXPECT_EQ(Load(Id(1)).settings, "new");
}

}  // namespace
}  // namespace godwit::coordinator
