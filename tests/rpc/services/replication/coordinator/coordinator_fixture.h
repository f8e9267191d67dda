// The coordinator's real handlers with TLS and a database; agent and worker are scripted.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "godwit/registry/v1/settings.pb.h"
#include "godwit/replication/v1/agent_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "godwit/replication/v1/worker_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "services/common/rpc/signed_report.h"
#include "services/replication/coordinator/clients/registry_client.h"
#include "services/replication/coordinator/engine/housekeeping.h"
#include "services/replication/coordinator/rpc/fields.h"
#include "services/replication/coordinator/rpc/handlers.h"
#include "tests/support/fake_registry.h"
#include "tests/support/no_scopes.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_database.h"
#include "tests/support/test_pki.h"

namespace godwit::coordinator {

namespace pb = ::godwit::replication::v1;

inline constexpr absl::Duration kLease = absl::Seconds(3);
inline constexpr char kServer[] = "s-00000000000000001";
inline constexpr char kDisk[] = "d-00000000000000001";

// True when `condition` became true within half a minute.
inline bool Eventually(const std::function<bool()>& condition) {
  const absl::Time end = absl::Now() + absl::Seconds(30);
  while (absl::Now() < end) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(50));
  }
  return false;
}

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Call(Stub& stub,
                              grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                           Response*),
                              const Request& request) {
  grpc::ClientContext context;
  rpc::SetTimeout(context, absl::Seconds(20));
  Response response;
  const absl::Status status = rpc::FromGrpc((stub.*method)(&context, request, &response));
  if (!status.ok()) return status;
  return response;
}

class CoordinatorTest : public ::testing::Test {
 protected:
  using Operator = pb::ReplicationService::Stub;
  using WorkerStub = pb::WorkerService::Stub;

  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(database_, ::godwit::testing::TestDatabase::Start());
    pool_ = std::make_unique<pg::Pool>(pg::Pool::Options{.conninfo = database_->conninfo()});
    registry_.Set(kServer, {.agent_allowed = true});
    agents_ = std::make_unique<AgentReports>(*pool_, registry_, DecodeReplicationSettings);
    workers_ = std::make_unique<WorkerReports>(*pool_, kLease, DecodeReplicationSettings);
    servers_ = std::make_unique<Servers>(*pool_);
    points_ = std::make_unique<Points>(*pool_, DecodeReplicationSettings);
    verifications_ = std::make_unique<Verifications>(
        *pool_, [this](const std::string& text) { return rpc::SignReport(text, tls_); }, "1.2.3");
    housekeeping_ = std::make_unique<Housekeeping>(
        *pool_, registry_, DecodeReplicationSettings, *agents_, *verifications_, RealClock(),
        Housekeeping::Options{.lease = kLease, .interval = absl::Milliseconds(100)});
    agent_handler_ = MakeAgentHandler(*agents_);
    worker_handler_ = MakeWorkerHandler(*workers_);
    handler_ = MakeReplicationHandler(*pool_, *servers_, *points_, *verifications_);
    ASSERT_OK_AND_ASSIGN(
        server_, rpc::Server::Start(
                     {.listen = "127.0.0.1:0", .tls = tls_, .scopes = &scopes_},
                     {agent_handler_->service(), worker_handler_->service(), handler_->service()}));
    housekeeping_->Start();
    operator_ = pb::ReplicationService::NewStub(Channel("user/admin/alice"));
    registry_stub_ = pb::ReplicationService::NewStub(Channel("service/registry"));
  }
  void TearDown() override {
    if (handler_ != nullptr) handler_->Stop();
    if (housekeeping_ != nullptr) housekeeping_->Stop();
    if (server_ != nullptr) server_->Stop();
  }

  std::shared_ptr<grpc::Channel> Channel(const std::string& principal) {
    return rpc::Dial(absl::StrCat("127.0.0.1:", server_->port()),
                     *rpc::ParsePrincipal("service/replication"), pki_.Issue(principal));
  }
  static std::string Name(absl::string_view suffix = "") {
    return absl::StrCat("sourceServers/", kServer, suffix);
  }

  absl::StatusOr<pb::Replication> StartServer() {
    pb::StartServerRequest request;
    request.set_source_server(Name());
    request.set_request_id(NewUuid());
    return Call(*registry_stub_, &Operator::StartServer, request);
  }
  pb::Replication Get() {
    pb::GetReplicationRequest request;
    request.set_name(Name("/replication"));
    const auto found = Call(*operator_, &Operator::GetReplication, request);
    EXPECT_OK(found);
    return found.ok() ? *found : pb::Replication();
  }

  // A scripted worker.
  struct Worker {
    std::unique_ptr<WorkerStub> stub;
    std::int64_t incarnation = 0;
  };
  Worker Register(const std::string& id, const std::string& store) {
    Worker worker{.stub = pb::WorkerService::NewStub(Channel(absl::StrCat("worker/", id)))};
    pb::RegisterWorkerRequest request;
    request.set_endpoint("192.0.2.1:7443");
    request.set_store_id(store);
    request.set_max_server_count(10);
    const auto registered = Call(*worker.stub, &WorkerStub::RegisterWorker, request);
    EXPECT_OK(registered);
    if (registered.ok()) worker.incarnation = registered->incarnation();
    return worker;
  }
  absl::StatusOr<pb::WorkerHeartbeatResponse> Beat(Worker& worker,
                                                   const std::vector<std::int64_t>& held = {},
                                                   bool leaving = false) {
    pb::WorkerHeartbeatRequest request;
    request.set_incarnation(worker.incarnation);
    request.set_store_total_bytes(std::int64_t{1} << 40);
    request.set_store_free_bytes(std::int64_t{1} << 39);
    request.set_draining(leaving);
    for (const std::int64_t generation : held) {
      request.add_groups()->set_source_server(Name());
      request.mutable_groups()->rbegin()->set_lease_generation(generation);
      request.mutable_groups()->rbegin()->set_agent_connected(true);
    }
    return Call(*worker.stub, &WorkerStub::Heartbeat, request);
  }
  // Beats until the worker has the lease; its generation, 0 when it got none.
  std::int64_t WaitForLease(Worker& worker) {
    std::int64_t generation = 0;
    Eventually([&] {
      const auto beat = Beat(worker);
      if (beat.ok() && beat->leases_size() == 1) generation = beat->leases(0).lease_generation();
      return generation > 0;
    });
    return generation;
  }
  absl::Status ReportPoint(Worker& worker, std::int64_t generation, std::int64_t epoch,
                           const std::string& request_id = "") {
    pb::ReportPointRequest request;
    request.set_incarnation(worker.incarnation);
    request.set_source_server(Name());
    request.set_lease_generation(generation);
    request.set_epoch(epoch);
    SetTime(absl::Now(), request.mutable_cut_time());
    SetTime(absl::Now(), request.mutable_commit_time());
    request.set_consistency(pb::Point::CRASH_CONSISTENT);
    request.set_root_hash("00ff");
    request.set_request_id(request_id);
    return Call(*worker.stub, &WorkerStub::ReportPoint, request).status();
  }

  absl::StatusOr<pb::Directive> AgentBeat(const pb::AgentProgress& progress) {
    auto stub = pb::AgentService::NewStub(Channel(absl::StrCat("agent/", kServer)));
    pb::HeartbeatRequest request;
    request.set_agent_version("1");
    request.set_boot_id("boot");
    pb::AgentDisk* disk = request.add_disks();
    disk->set_disk_id(kDisk);
    disk->set_device_name("/dev/sda");
    disk->set_size_bytes(1 << 30);
    disk->set_is_boot_disk(true);
    *request.mutable_progress() = progress;
    return Call(*stub, &pb::AgentService::Stub::Heartbeat, request);
  }
  absl::StatusOr<pb::Directive> AgentBeat(pb::AgentProgress::Phase phase, std::int64_t pending = 0,
                                          std::int64_t connected = 0,
                                          const pb::VerificationProgress* verification = nullptr) {
    pb::AgentProgress progress;
    if (verification != nullptr) *progress.mutable_verification() = *verification;
    progress.set_phase(phase);
    progress.set_connected_generation(connected);
    progress.add_disks()->set_disk_id(kDisk);
    progress.mutable_disks(0)->set_pending_bytes(pending);
    progress.mutable_disks(0)->set_replicated_bytes((1 << 30) - pending);
    return AgentBeat(progress);
  }
  // A server with a lease of `worker` and a first point; the lease's generation.
  std::int64_t Replicate(Worker& worker) {
    EXPECT_OK(StartServer());
    EXPECT_OK(AgentBeat(pb::AgentProgress::CONNECTING, 1 << 30));
    const std::int64_t generation = WaitForLease(worker);
    EXPECT_GT(generation, 0);
    EXPECT_OK(AgentBeat(pb::AgentProgress::IDLE, 0, generation));
    EXPECT_OK(ReportPoint(worker, generation, 1));
    return generation;
  }

  ::godwit::testing::TestPki pki_;
  const rpc::TlsMaterial tls_ = pki_.Issue("service/replication");
  ::godwit::testing::FakeRegistry registry_;
  std::unique_ptr<::godwit::testing::TestDatabase> database_;
  std::unique_ptr<pg::Pool> pool_;
  std::unique_ptr<AgentReports> agents_;
  std::unique_ptr<WorkerReports> workers_;
  std::unique_ptr<Servers> servers_;
  std::unique_ptr<Points> points_;
  std::unique_ptr<Verifications> verifications_;
  std::unique_ptr<Housekeeping> housekeeping_;
  std::unique_ptr<Handler> agent_handler_, worker_handler_, handler_;
  ::godwit::testing::NoScopes scopes_;
  std::unique_ptr<rpc::Server> server_;
  std::unique_ptr<Operator> operator_, registry_stub_;
};

}  // namespace godwit::coordinator
