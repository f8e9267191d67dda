// A database, the use cases on it, and shorthand for what agents and workers do.
#pragma once

#include "absl/time/clock.h"
#include "services/common/base/ids.h"
#include "services/replication/coordinator/domain/retention.h"
#include "services/replication/coordinator/engine/housekeeping.h"
#include "services/replication/coordinator/engine/points.h"
#include "services/replication/coordinator/engine/servers.h"
#include "services/replication/coordinator/engine/worker_reports.h"
#include "services/replication/coordinator/store/server_store.h"
#include "tests/support/fake_registry.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_database.h"

namespace godwit::coordinator {

inline constexpr char kWorker1[] = "w-00000000000000001";
inline constexpr char kWorker2[] = "w-00000000000000002";
inline constexpr char kServer1[] = "s-00000000000000001";
inline constexpr char kServer2[] = "s-00000000000000002";

class CoordinatorPgTest : public ::testing::Test {
 protected:
  static constexpr absl::Duration kLease = absl::Seconds(1);

  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(database_, ::godwit::testing::TestDatabase::Start());
    pool_ = std::make_unique<pg::Pool>(pg::Pool::Options{.conninfo = database_->conninfo()});
    const auto decode = [](const std::string&, absl::Time) {
      return Settings{.retention = {{absl::ZeroDuration(), absl::Minutes(1)}}};
    };
    agents_ = std::make_unique<AgentReports>(*pool_, registry_, decode);
    workers_ = std::make_unique<WorkerReports>(*pool_, kLease, decode);
    servers_ = std::make_unique<Servers>(*pool_);
    points_ = std::make_unique<Points>(*pool_);
    const auto sign = [](const std::string& text) { return "signed " + text; };
    verifications_ = std::make_unique<Verifications>(*pool_, sign, "1");
    housekeeping_ = std::make_unique<Housekeeping>(
        *pool_, registry_, decode, *agents_, *verifications_, RealClock(), Housekeeping::Options{});
  }

  std::int64_t Register(const std::string& id, const std::string& store) {
    const auto incarnation = workers_->Register(
        {.id = id, .endpoint = "192.0.2.1:1", .store_id = store, .max_server_count = 10});
    EXPECT_OK(incarnation);
    return incarnation.ok() ? *incarnation : 0;
  }
  absl::StatusOr<WorkerAnswer> Beat(const std::string& id, std::int64_t incarnation) {
    return workers_->Heartbeat({.id = id,
                                .incarnation = incarnation,
                                .store_total_bytes = std::int64_t{1} << 40,
                                .store_free_bytes = std::int64_t{1} << 40});
  }
  absl::StatusOr<AgentAnswer> AgentBeat(const std::string& server) {
    AgentReport report;
    report.server.id = server;
    report.server.boot_id = "boot";
    report.server.disks = {{.disk_id = "d-00000000000000001",
                            .device_name = "/dev/sda",
                            .size_bytes = 1 << 30,
                            .is_boot_disk = true}};
    return agents_->Heartbeat(report);
  }
  void Start(const std::string& server) {
    ASSERT_OK(servers_->Start(server, NewUuid()));
    ASSERT_OK(AgentBeat(server));
  }
  // One round; leases are judged as if nothing had been away.
  void Place(bool may_judge = true) {
    ASSERT_OK(housekeeping_->Place([may_judge] { return may_judge; }));
  }
  Server Load(const std::string& id) {
    auto connection = pool_->Acquire();
    const auto server = store::LoadServer(**connection, id);
    EXPECT_OK(server);
    return server.ok() ? *server : Server();
  }
  absl::Status Report(const std::string& worker, std::int64_t incarnation,
                      const std::string& server, std::int64_t generation, std::int64_t epoch,
                      const std::string& request_id = "", absl::Time cut = absl::Now()) {
    return workers_->ReportPoint(worker, incarnation,
                                 {.server_id = server,
                                  .epoch = epoch,
                                  .generation = generation,
                                  .cut_time = cut,
                                  .commit_time = cut,
                                  .root_hash = "00"},
                                 request_id);
  }

  ::godwit::testing::FakeRegistry registry_;
  std::unique_ptr<::godwit::testing::TestDatabase> database_;
  std::unique_ptr<pg::Pool> pool_;
  std::unique_ptr<AgentReports> agents_;
  std::unique_ptr<WorkerReports> workers_;
  std::unique_ptr<Servers> servers_;
  std::unique_ptr<Points> points_;
  std::unique_ptr<Verifications> verifications_;
  std::unique_ptr<Housekeeping> housekeeping_;
};

// One server, held by one worker.
class OneServerTest : public CoordinatorPgTest {
 protected:
  void SetUp() override {
    CoordinatorPgTest::SetUp();
    if (HasFatalFailure()) return;
    incarnation_ = Register(kWorker1, "store-1");
    ASSERT_OK(Beat(kWorker1, incarnation_));
    Start(kServer1);
    Place();
    ASSERT_EQ(Load(kServer1).generation, 1);
  }
  absl::Status Point(std::int64_t epoch, absl::Duration age = absl::ZeroDuration(),
                     const std::string& request_id = "") {
    return Report(kWorker1, incarnation_, kServer1, 1, epoch, request_id, absl::Now() - age);
  }
  std::int64_t incarnation_ = 0;
};

}  // namespace godwit::coordinator
