// One installation for the tests of scopes: two worlds, of which limited users reach one.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "godwit/registry/v1/fleet_service.grpc.pb.h"
#include "godwit/registry/v1/scope_service.grpc.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/pg/connection.h"
#include "services/common/rpc/serve.h"
#include "tests/support/mini_cluster.h"
#include "tests/support/status_matchers.h"

namespace godwit::testing {

namespace registry = ::godwit::registry::v1;
namespace replication = ::godwit::replication::v1;
namespace jobs = ::godwit::jobs::v1;
using Fleet = registry::FleetService::Stub;
using Servers = registry::SourceServerService::Stub;
using Scopes = registry::ScopeService::Stub;

inline constexpr absl::Duration kDeadline = absl::Seconds(20);
inline constexpr char kAdmin[] = "user/admin/test";

// Things of one side: within the scope, outside, or not there at all.
struct World {
  std::string server, application, wave, job, run;  // full names
  std::string machine = "i-0123456789abcdef0";
};

// "user/operator/lim" and "user/viewer/lim" are limited to the wave of in(). Made by the first
// test, removed after the last one of the program.
class ScopeTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (cluster_ != nullptr) return;
    auto started = MiniCluster::Start({.jobs = true, .conversion = true});
    ASSERT_OK(started);
    cluster_ = started->release();
    ::testing::AddGlobalTestEnvironment(new Remover);
    ASSERT_NO_FATAL_FAILURE(MakeWorld("In", &in_));
    ASSERT_NO_FATAL_FAILURE(MakeWorld("Out", &out_));
    for (const char* who : {"user/operator/lim", "user/viewer/lim"}) {
      registry::Scope scope;
      scope.set_principal(who);
      scope.add_waves(in_.wave);
      ASSERT_OK(SetScope(scope));
    }
  }

  static std::shared_ptr<grpc::Channel> As(const std::string& service,
                                           const std::string& principal) {
    static auto& channels =
        *new std::map<std::pair<std::string, std::string>, std::shared_ptr<grpc::Channel>>();
    auto& channel = channels[{service, principal}];
    if (channel == nullptr) channel = cluster_->Channel(service, principal);
    return channel;
  }

  template <typename Stub, typename Request, typename Response>
  static absl::StatusOr<Response> Call(Stub&& stub,
                                       grpc::Status (std::decay_t<Stub>::element_type::*method)(
                                           grpc::ClientContext*, const Request&, Response*),
                                       const Request& request) {
    grpc::ClientContext context;
    rpc::SetTimeout(context, kDeadline);
    Response response;
    RETURN_IF_ERROR(rpc::FromGrpc((stub.get()->*method)(&context, request, &response)));
    return response;
  }
  static auto FleetOf(const std::string& who) {
    return registry::FleetService::NewStub(As("registry", who));
  }
  static auto ServersOf(const std::string& who) {
    return registry::SourceServerService::NewStub(As("registry", who));
  }
  static auto ScopesOf(const std::string& who) {
    return registry::ScopeService::NewStub(As("registry", who));
  }
  static auto JobsOf(const std::string& who) { return jobs::JobService::NewStub(As("jobs", who)); }

  static absl::StatusOr<registry::Scope> SetScope(const registry::Scope& scope) {
    registry::SetScopeRequest request;
    request.set_request_id(NewUuid());
    *request.mutable_scope() = scope;
    return Call(ScopesOf(kAdmin), &Scopes::SetScope, request);
  }
  static absl::StatusOr<std::string> NewServer(
      const std::string& id, const std::map<std::string, std::string>& tags = {}) {
    registry::CreateSourceServerRequest create;
    create.set_request_id(NewUuid());
    create.set_user_provided_id(id);
    for (const auto& [key, value] : tags) (*create.mutable_tags())[key] = value;
    ASSIGN_OR_RETURN(const auto server,
                     Call(ServersOf(kAdmin), &Servers::CreateSourceServer, create));
    return server.name();
  }
  static absl::StatusOr<std::string> NewApplication(const std::string& title,
                                                    const std::vector<std::string>& servers) {
    registry::CreateApplicationRequest create;
    create.set_request_id(NewUuid());
    create.mutable_application()->set_display_name(title);
    ASSIGN_OR_RETURN(const auto application,
                     Call(FleetOf(kAdmin), &Fleet::CreateApplication, create));
    if (servers.empty()) return application.name();
    registry::AssociateRequest associate;
    associate.set_request_id(NewUuid());
    associate.set_name(application.name());
    for (const std::string& server : servers) associate.add_members(server);
    RETURN_IF_ERROR(Call(FleetOf(kAdmin), &Fleet::AssociateSourceServers, associate).status());
    return application.name();
  }
  static absl::StatusOr<std::string> NewJob(const std::string& server) {
    jobs::StartPreflightRequest request;
    request.set_request_id(NewUuid());
    request.set_source_server(server);
    ASSIGN_OR_RETURN(const auto job,
                     Call(JobsOf(kAdmin), &jobs::JobService::Stub::StartPreflight, request));
    return job.name();
  }
  static std::string Id(const std::string& name) { return name.substr(name.find('/') + 1); }

  static void MakeWorld(const std::string& title, World* world) {
    ASSERT_OK_AND_ASSIGN(world->server, NewServer("server " + title));
    ASSERT_OK_AND_ASSIGN(world->application, NewApplication("App " + title, {world->server}));
    registry::CreateWaveRequest create;
    create.set_request_id(NewUuid());
    create.mutable_wave()->set_display_name("Wave " + title);
    ASSERT_OK_AND_ASSIGN(const auto wave, Call(FleetOf(kAdmin), &Fleet::CreateWave, create));
    world->wave = wave.name();
    registry::AssociateRequest associate;
    associate.set_request_id(NewUuid());
    associate.set_name(world->wave);
    associate.add_members(world->application);
    ASSERT_OK(Call(FleetOf(kAdmin), &Fleet::AssociateApplications, associate));
    ASSERT_OK_AND_ASSIGN(world->job, NewJob(world->server));
    replication::StartServerRequest start;
    start.set_source_server(world->server);
    start.set_request_id(NewUuid());
    ASSERT_OK(Call(replication::ReplicationService::NewStub(As("replication", "service/registry")),
                   &replication::ReplicationService::Stub::StartServer, start));
    // A run that rests: nothing takes it up, for these servers have nothing to launch.
    world->run = "waveRuns/" + NewId("wr-");
    ASSERT_OK_AND_ASSIGN(const auto connection, pg::Connection::Open(cluster_->conninfo()));
    constexpr pg::Statement kRun = {
        "test_run",
        "insert into jobs.wave_run (run_id, request_id, request_hash, kind, state, wave, "
        "initiated_by, options, end_time, due_at) values ($1, gen_random_uuid(), '', 1, 8, $2, "
        "'user/admin/test', '{}', now(), null)"};
    ASSERT_OK(connection->Exec(kRun, {Id(world->run), Id(world->wave)}));
  }

  static std::vector<std::string> IdsOf(const World& world) {
    std::vector<std::string> ids;
    for (const std::string& name :
         {world.server, world.application, world.wave, world.job, world.run}) {
      ids.push_back(Id(name));
    }
    return ids;
  }
  static bool Holds(const std::string& text, const World& world) {
    const std::vector<std::string> ids = IdsOf(world);
    return std::any_of(ids.begin(), ids.end(),
                       [&](const std::string& id) { return absl::StrContains(text, id); });
  }
  static std::string Reason(const absl::Status& status) { return rpc::GetInfo(status).reason; }

  struct Remover final : ::testing::Environment {
    void TearDown() override {
      delete cluster_;
      cluster_ = nullptr;
    }
  };

  inline static MiniCluster* cluster_ = nullptr;
  inline static World in_, out_;
  inline static const World none_ = {.server = "sourceServers/s-00000000000000bad",
                                     .application = "applications/app-00000000000000bad",
                                     .wave = "waves/wave-00000000000000bad",
                                     .job = "jobs/job-00000000000000bad",
                                     .run = "waveRuns/wr-00000000000000bad"};
};

}  // namespace godwit::testing
