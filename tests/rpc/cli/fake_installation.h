// A registry, a jobs service and a coordinator that answer what a test tells them, over mTLS.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/check.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "tests/support/test_pki.h"

namespace godwit::testing {

// Fields are set before the calls; what was asked is read after them.
class FakeRegistry final : public registry::v1::SourceServerService::Service {
 public:
  std::vector<registry::v1::SourceServer> servers;
  jobs::v1::Job job;
  absl::Status refusal;       // of the verbs
  int unavailable_times = 0;  // before StartTest answers
  absl::Duration delay;       // of GetSourceServer
  std::vector<std::string> request_ids;
  std::vector<std::string> methods;
  registry::v1::UpdateLaunchSettingsRequest last_update;
  jobs::v1::LaunchSettings settings;

  // One server a page.
  grpc::Status ListSourceServers(grpc::ServerContext*,
                                 const registry::v1::ListSourceServersRequest* request,
                                 registry::v1::ListSourceServersResponse* response) override {
    const std::size_t at = request->page_token().empty() ? 0 : std::stoul(request->page_token());
    if (at < servers.size()) *response->add_source_servers() = servers[at];
    if (at + 1 < servers.size()) response->set_next_page_token(absl::StrCat(at + 1));
    return grpc::Status::OK;
  }
  grpc::Status GetSourceServer(grpc::ServerContext*,
                               const registry::v1::GetSourceServerRequest* request,
                               registry::v1::SourceServer* response) override {
    absl::SleepFor(delay);
    for (const auto& server : servers) {
      if (server.name() == request->name()) {
        *response = server;
        return grpc::Status::OK;
      }
    }
    return rpc::ToGrpc(absl::NotFoundError(absl::StrCat("no server ", request->name())));
  }
  grpc::Status StartTest(grpc::ServerContext*, const registry::v1::StartLaunchRequest* request,
                         jobs::v1::Job* response) override {
    request_ids.push_back(request->request_id());
    if (unavailable_times-- > 0) return rpc::ToGrpc(absl::UnavailableError("starting"));
    *response = job;
    return rpc::ToGrpc(refusal);
  }
  grpc::Status RevertCutover(grpc::ServerContext*, const registry::v1::ServerVerbRequest*,
                             registry::v1::SourceServer* response) override {
    methods.push_back("RevertCutover");
    *response = servers.at(0);
    return rpc::ToGrpc(refusal);
  }
  grpc::Status RevertToReadyForTest(grpc::ServerContext*, const registry::v1::ServerVerbRequest*,
                                    registry::v1::SourceServer* response) override {
    methods.push_back("RevertToReadyForTest");
    *response = servers.at(0);
    return rpc::ToGrpc(refusal);
  }
  grpc::Status GetLaunchSettings(grpc::ServerContext*, const registry::v1::GetSettingsRequest*,
                                 jobs::v1::LaunchSettings* response) override {
    *response = settings;
    return grpc::Status::OK;
  }
  grpc::Status UpdateLaunchSettings(grpc::ServerContext*,
                                    const registry::v1::UpdateLaunchSettingsRequest* request,
                                    jobs::v1::LaunchSettings* response) override {
    last_update = *request;
    *response = request->settings();
    return grpc::Status::OK;
  }
};

class FakeJobs final : public jobs::v1::JobService::Service {
 public:
  std::vector<jobs::v1::Job> states;  // what a watch sees, in order; then the stream ends
  int cut_streams = 0;                // streams that end with UNAVAILABLE after their first message
  absl::Duration linger;              // before the stream ends

  grpc::Status WatchJob(grpc::ServerContext* context, const jobs::v1::WatchJobRequest*,
                        grpc::ServerWriter<jobs::v1::Job>* writer) override {
    for (const jobs::v1::Job& job : states) {
      writer->Write(job);
      if (cut_streams > 0) {
        --cut_streams;
        return rpc::ToGrpc(absl::UnavailableError("going away"));
      }
    }
    const absl::Time until = absl::Now() + linger;
    while (absl::Now() < until && !context->IsCancelled()) absl::SleepFor(absl::Milliseconds(20));
    return grpc::Status::OK;
  }
};

class FakeReplication final : public replication::v1::ReplicationService::Service {
 public:
  // What is answered one after another; the last one from then on.
  std::vector<replication::v1::Verification> verifications;
  std::vector<std::string> request_ids;
  replication::v1::Replication replication;
  replication::v1::Clone clone;
  std::vector<std::string> deleted_clones;

  grpc::Status CreateClone(grpc::ServerContext*, const replication::v1::CreateCloneRequest*,
                           replication::v1::Clone* response) override {
    *response = clone;
    return grpc::Status::OK;
  }
  grpc::Status DeleteClone(grpc::ServerContext*, const replication::v1::DeleteCloneRequest* request,
                           replication::v1::DeleteCloneResponse*) override {
    deleted_clones.push_back(request->name());
    return grpc::Status::OK;
  }
  grpc::Status VerifyReplication(grpc::ServerContext*,
                                 const replication::v1::VerifyReplicationRequest* request,
                                 replication::v1::Verification* response) override {
    request_ids.push_back(request->request_id());
    *response = verifications.at(0);
    return grpc::Status::OK;
  }
  grpc::Status GetVerification(grpc::ServerContext*,
                               const replication::v1::GetVerificationRequest* request,
                               replication::v1::Verification* response) override {
    if (verifications.size() > 1) verifications.erase(verifications.begin());
    *response = verifications.at(0);
    if (request->name() == response->name()) return grpc::Status::OK;
    return rpc::ToGrpc(absl::NotFoundError(request->name()));
  }
  grpc::Status ListVerifications(grpc::ServerContext*,
                                 const replication::v1::ListVerificationsRequest*,
                                 replication::v1::ListVerificationsResponse* response) override {
    for (const auto& each : verifications) *response->add_verifications() = each;
    return grpc::Status::OK;
  }
  grpc::Status GetReplication(grpc::ServerContext*, const replication::v1::GetReplicationRequest*,
                              replication::v1::Replication* response) override {
    *response = replication;
    return grpc::Status::OK;
  }
};

class FakeInstallation {
 public:
  FakeInstallation() : dir_(absl::StrCat(::testing::TempDir(), "/godwit_cli_rpc_", getpid())) {
    pki_.Write("user/admin/alice", dir_);
    registry_server_ = Start("service/registry", &registry);
    jobs_server_ = Start("service/jobs", &jobs);
    replication_server_ = Start("service/replication", &replication);
  }
  ~FakeInstallation() {
    registry_server_->Stop();
    jobs_server_->Stop();
    replication_server_->Stop();
    std::filesystem::remove_all(dir_);
  }

  // The options that reach it, before `arguments`.
  std::vector<std::string> Options(std::vector<std::string> arguments) const {
    arguments.insert(
        arguments.begin(),
        {"--tls-dir", dir_, absl::StrCat("--registry=127.0.0.1:", registry_server_->port()),
         absl::StrCat("--jobs=127.0.0.1:", jobs_server_->port()),
         absl::StrCat("--replication=127.0.0.1:", replication_server_->port())});
    return arguments;
  }

  FakeRegistry registry;
  FakeJobs jobs;
  FakeReplication replication;
  // tls.crt, tls.key and ca.crt are in here.
  const std::string& dir() const { return dir_; }
  const TestPki& pki() const { return pki_; }

 private:
  std::unique_ptr<rpc::Server> Start(const std::string& principal, grpc::Service* service) {
    rpc::ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.tls = pki_.Issue(principal);
    auto server = rpc::Server::Start(options, {service});
    GODWIT_CHECK(server.ok());
    return *std::move(server);
  }

  const TestPki pki_;
  const std::string dir_;
  std::unique_ptr<rpc::Server> registry_server_, jobs_server_, replication_server_;
};

}  // namespace godwit::testing
