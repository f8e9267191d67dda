// A registry on a PostgreSQL of its own, over real TLS, with recording job and replication
// services.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "godwit/registry/v1/enrollment_service.grpc.pb.h"
#include "godwit/registry/v1/fleet_service.grpc.pb.h"
#include "godwit/registry/v1/settings.grpc.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/clock.h"
#include "services/common/base/ids.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/server.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_database.h"
#include "tests/support/test_pki.h"

namespace godwit::registry {

namespace pb = ::godwit::registry::v1;
namespace jobs_pb = ::godwit::jobs::v1;
namespace replication_pb = ::godwit::replication::v1;

// Writes down what it is asked; answers `refusal` when that is set.
class RecordingJobs final : public jobs_pb::JobService::Service {
 public:
  grpc::Status CreateJob(grpc::ServerContext*, const jobs_pb::CreateJobRequest* request,
                         jobs_pb::Job* response) override {
    absl::MutexLock lock(&mutex_);
    if (!refusal_.ok()) return rpc::ToGrpc(refusal_);
    requests_.push_back(*request);
    response->set_name("jobs/" + request->job_id());
    response->set_state(jobs_pb::Job::RUNNING);
    jobs_[response->name()] = *response;
    return grpc::Status::OK;
  }
  grpc::Status GetJob(grpc::ServerContext*, const jobs_pb::GetJobRequest* request,
                      jobs_pb::Job* response) override {
    absl::MutexLock lock(&mutex_);
    *response = jobs_[request->name()];
    return grpc::Status::OK;
  }
  void Put(const jobs_pb::Job& job) {
    absl::MutexLock lock(&mutex_);
    jobs_[job.name()] = job;
  }
  void End(const std::string& job, jobs_pb::Job::State state) {
    absl::MutexLock lock(&mutex_);
    jobs_[job].set_state(state);
  }
  void Refuse(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    refusal_ = status;
  }
  std::vector<jobs_pb::CreateJobRequest> requests() {
    absl::MutexLock lock(&mutex_);
    return requests_;
  }

 private:
  absl::Mutex mutex_;
  absl::Status refusal_;
  std::vector<jobs_pb::CreateJobRequest> requests_;
  std::map<std::string, jobs_pb::Job> jobs_;
};

class RecordingReplication final : public replication_pb::ReplicationService::Service {
 public:
  grpc::Status StartServer(grpc::ServerContext*, const replication_pb::StartServerRequest* request,
                           replication_pb::Replication*) override {
    absl::MutexLock lock(&mutex_);
    starts_.push_back(*request);
    return grpc::Status::OK;
  }
  grpc::Status EndServer(grpc::ServerContext*, const replication_pb::EndServerRequest* request,
                         replication_pb::Replication*) override {
    absl::MutexLock lock(&mutex_);
    ends_.push_back(*request);
    return grpc::Status::OK;
  }
  grpc::Status ListReplications(grpc::ServerContext*,
                                const replication_pb::ListReplicationsRequest*,
                                replication_pb::ListReplicationsResponse* response) override {
    absl::MutexLock lock(&mutex_);
    for (const replication_pb::Replication& one : listed_) *response->add_replications() = one;
    return grpc::Status::OK;
  }
  // What the list shows from now on.
  void Show(std::vector<replication_pb::Replication> listed) {
    absl::MutexLock lock(&mutex_);
    listed_ = std::move(listed);
  }
  std::vector<replication_pb::StartServerRequest> starts() {
    absl::MutexLock lock(&mutex_);
    return starts_;
  }
  std::vector<replication_pb::EndServerRequest> ends() {
    absl::MutexLock lock(&mutex_);
    return ends_;
  }

 private:
  absl::Mutex mutex_;
  std::vector<replication_pb::StartServerRequest> starts_;
  std::vector<replication_pb::EndServerRequest> ends_;
  std::vector<replication_pb::Replication> listed_;
};

inline rpc::Identity ServiceNamed(const std::string& name) {
  return {.kind = rpc::PeerKind::kService, .id = name};
}

// One installation per test suite; each test enrols servers of its own.
class RegistryTest : public ::testing::Test {
 protected:
  struct Installation {
    ::godwit::testing::TestPki pki;
    std::unique_ptr<::godwit::testing::TestDatabase> database;
    RecordingJobs jobs;
    RecordingReplication replication;
    std::unique_ptr<rpc::Server> jobs_server, replication_server;
    ServerConfig config;
    std::unique_ptr<RegistryServer> registry;
  };

  static void SetUpTestSuite() { ASSERT_OK(SetUpInstallation(Profile::kStrict)); }
  static void TearDownTestSuite() {
    delete installation_;
    installation_ = nullptr;
  }

  static absl::Status SetUpInstallation(Profile profile) {
    installation_ = new Installation;
    Installation& i = *installation_;
    absl::StatusOr<std::unique_ptr<::godwit::testing::TestDatabase>> database =
        ::godwit::testing::TestDatabase::Start();
    if (!database.ok()) return database.status();
    i.database = *std::move(database);
    i.jobs_server = *rpc::Server::Start(
        {.listen = "127.0.0.1:0", .tls = i.pki.Issue("service/jobs")}, {&i.jobs});
    i.replication_server = *rpc::Server::Start(
        {.listen = "127.0.0.1:0", .tls = i.pki.Issue("service/replication")}, {&i.replication});
    i.config = {.listen = "127.0.0.1:0",
                .enroll_listen = "127.0.0.1:0",
                .database = i.database->conninfo(),
                .jobs = Endpoint(i.jobs_server->port()),
                .replication = Endpoint(i.replication_server->port()),
                .advertise = "registry.example:7443",
                .advertise_replication = "replication.example:7443",
                .profile = profile,
                .tls = i.pki.Issue("service/registry"),
                .ca = i.pki.ca(),
                .health_pause = absl::Milliseconds(100)};
    return StartRegistry();
  }
  static absl::Status StartRegistry() {
    Installation& i = *installation_;
    i.registry.reset();
    absl::StatusOr<std::unique_ptr<RegistryServer>> registry =
        RegistryServer::Start(i.config, RealClock());
    if (!registry.ok()) return registry.status();
    i.registry = *std::move(registry);
    return absl::OkStatus();
  }
  static std::string Endpoint(int port) { return absl::StrCat("127.0.0.1:", port); }

  static std::shared_ptr<grpc::Channel> ChannelWith(const rpc::TlsMaterial& tls) {
    return rpc::Dial(Endpoint(installation_->registry->port()), ServiceNamed("registry"), tls);
  }
  static std::shared_ptr<grpc::Channel> ChannelAs(const std::string& principal) {
    return ChannelWith(installation_->pki.Issue(principal));
  }
  static std::string EnrollEndpoint() { return Endpoint(installation_->registry->enroll_port()); }
  static std::shared_ptr<grpc::Channel> EnrollChannel() {
    return rpc::DialWithoutCertificate(EnrollEndpoint(), ServiceNamed("registry"),
                                       installation_->pki.ca().certificate_pem);
  }

  // One unary call with a deadline.
  template <typename Stub, typename Request, typename Response>
  static absl::StatusOr<Response> Call(Stub& stub,
                                       grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                    const Request&, Response*),
                                       const Request& request) {
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(20));
    Response response;
    const absl::Status status = rpc::FromGrpc((stub.*method)(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  static pb::Token NewToken(int max_uses = 1) {
    const auto stub = pb::TokenService::NewStub(ChannelAs("user/admin/alice"));
    pb::CreateTokenRequest request;
    request.set_request_id(NewUuid());
    request.set_max_uses(max_uses);
    const auto token = Call(*stub, &pb::TokenService::Stub::CreateToken, request);
    EXPECT_OK(token);
    return token.ok() ? *token : pb::Token();
  }

  static pb::EnrollRequest EnrollRequestFor(const std::string& token_secret,
                                            const rpc::KeyAndCsr& key) {
    pb::EnrollRequest request;
    request.set_token(token_secret);
    request.set_csr_pem(key.csr_pem);
    request.set_request_id(NewUuid());
    request.mutable_properties()->set_hostname("source.example");
    request.mutable_properties()->set_boot_mode("BIOS");
    pb::Disk* disk = request.mutable_properties()->add_disks();
    disk->set_device_name("/dev/sda");
    disk->set_size_bytes(1 << 30);
    return request;
  }
  static absl::StatusOr<pb::EnrollResponse> Enroll(const pb::EnrollRequest& request) {
    const auto stub = pb::EnrollmentService::NewStub(EnrollChannel());
    return Call(*stub, &pb::EnrollmentService::Stub::Enroll, request);
  }
  // A new server in NOT_READY; its name.
  static std::string EnrolledServer() {
    const auto enrolled =
        Enroll(EnrollRequestFor(NewToken().secret(), *rpc::MakeKeyAndCsr("agent")));
    EXPECT_OK(enrolled);
    return enrolled.ok() ? enrolled->source_server() : "";
  }

  static pb::SourceServer Get(const std::string& name) {
    const auto stub = pb::SourceServerService::NewStub(ChannelAs("user/viewer/bob"));
    pb::GetSourceServerRequest request;
    request.set_name(name);
    const auto server = Call(*stub, &pb::SourceServerService::Stub::GetSourceServer, request);
    EXPECT_OK(server);
    return server.ok() ? *server : pb::SourceServer();
  }

  inline static Installation* installation_ = nullptr;
};

}  // namespace godwit::registry
