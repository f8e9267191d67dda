#include "services/jobs/clients/fleet_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"

namespace godwit::jobs {
namespace {

namespace pb = registry::v1;

// Shorter than the usual lease of a runner: a run whose registry hangs stays with its runner.
constexpr absl::Duration kTimeout = absl::Seconds(10);
constexpr int kPageSize = 500;
constexpr int kMostPages = 100;

// One call; cut off by a peer that stops is UNAVAILABLE, nobody here asked for it.
template <typename Call>
absl::Status Once(const Call& call) {
  grpc::ClientContext context;
  rpc::SetTimeout(context, kTimeout);
  const absl::Status status = rpc::FromGrpc(call(context));
  return absl::IsCancelled(status) ? absl::UnavailableError(status.message()) : status;
}

// All pages of a list, each handed to `see`, which may end it with an error.
template <typename Request, typename Call, typename See>
absl::Status ForEachPage(Request request, const Call& call, const See& see) {
  request.set_page_size(kPageSize);
  for (int page = 0; page < kMostPages; ++page) {
    std::string next;
    RETURN_IF_ERROR(call(request, [&](const auto& answer) -> absl::Status {
      next = answer.next_page_token();
      return see(answer);
    }));
    if (next.empty()) return absl::OkStatus();
    request.set_page_token(std::move(next));
  }
  return absl::ResourceExhaustedError("a list of the registry is too long");
}

std::string Without(absl::string_view prefix, absl::string_view name) {
  absl::ConsumePrefix(&name, prefix);
  return std::string(name);
}

FleetServer ToServer(const pb::SourceServer& server) {
  FleetServer out{.id = Without("sourceServers/", server.name()),
                  .hostname = server.properties().hostname(),
                  .lifecycle = static_cast<FleetServer::Lifecycle>(server.lifecycle_state()),
                  .lifecycle_word = pb::SourceServer::LifecycleState_Name(server.lifecycle_state()),
                  .launch = static_cast<FleetServer::Launch>(server.launch_status()),
                  .last_cutover_job = Without("jobs/", server.last_cutover().job()),
                  .identity_revoked = server.identity_revoked()};
  for (const v1::ActionResult& action : server.launched_machine().actions()) {
    if (action.blocks_cutover()) out.blocking_action = action.action_id();
  }
  return out;
}

pb::StartLaunchRequest LaunchOf(const std::string& server, const std::string& request_id) {
  pb::StartLaunchRequest request;
  request.add_names(absl::StrCat("sourceServers/", server));
  request.set_request_id(request_id);
  return request;
}
pb::ServerVerbRequest VerbOf(const std::string& server, const std::string& request_id) {
  pb::ServerVerbRequest request;
  request.set_name(absl::StrCat("sourceServers/", server));
  request.set_request_id(request_id);
  return request;
}

// The id of the job that a launch verb gives.
template <typename Call>
absl::StatusOr<std::string> JobOfCall(const Call& call) {
  v1::Job job;
  RETURN_IF_ERROR(Once([&](grpc::ClientContext& context) { return call(context, &job); }));
  return Without("jobs/", job.name());
}

}  // namespace

absl::StatusOr<FleetWave> FleetClient::ReadWave(const std::string& wave, bool replication) {
  pb::GetGroupRequest request;
  request.set_name(absl::StrCat("waves/", wave));
  pb::Wave found;
  RETURN_IF_ERROR(Once(
      [&](grpc::ClientContext& context) { return fleet_->GetWave(&context, request, &found); }));
  FleetWave out{.id = wave, .display_name = found.display_name(), .archived = found.archived()};
  RETURN_IF_ERROR(ReadApplications(&out));
  std::size_t count = 0;
  for (FleetApplication& application : out.applications) {
    RETURN_IF_ERROR(ReadServers(&application, &count));
  }
  if (!replication) return out;
  const std::map<std::string, std::string> problems = ReplicationProblems();
  for (FleetApplication& application : out.applications) {
    for (FleetServer& server : application.servers) {
      const auto problem = problems.find(server.id);
      if (problem != problems.end()) server.replication_problem = problem->second;
    }
  }
  return out;
}

absl::Status FleetClient::ReadApplications(FleetWave* wave) {
  const std::string name = absl::StrCat("waves/", wave->id);
  return ForEachPage(
      pb::ListGroupsRequest(),
      [&](const pb::ListGroupsRequest& request, const auto& see) -> absl::Status {
        pb::ListApplicationsResponse answer;
        RETURN_IF_ERROR(Once([&](grpc::ClientContext& context) {
          return fleet_->ListApplications(&context, request, &answer);
        }));
        return see(answer);
      },
      [&](const pb::ListApplicationsResponse& answer) -> absl::Status {
        for (const pb::Application& application : answer.applications()) {
          if (application.wave() != name) continue;
          wave->applications.push_back({.id = Without("applications/", application.name()),
                                        .display_name = application.display_name()});
        }
        if (wave->applications.size() <= kMostWaveGroups) return absl::OkStatus();
        return rpc::FieldError(
            "wave", absl::StrCat("has more than ", kMostWaveGroups, " applications; split it"));
      });
}

absl::Status FleetClient::ReadServers(FleetApplication* application, std::size_t* count) {
  pb::ListSourceServersRequest list;
  list.set_application(absl::StrCat("applications/", application->id));
  RETURN_IF_ERROR(ForEachPage(
      list,
      [&](const pb::ListSourceServersRequest& request, const auto& see) -> absl::Status {
        pb::ListSourceServersResponse answer;
        RETURN_IF_ERROR(Once([&](grpc::ClientContext& context) {
          return servers_->ListSourceServers(&context, request, &answer);
        }));
        return see(answer);
      },
      [&](const pb::ListSourceServersResponse& answer) -> absl::Status {
        for (const pb::SourceServer& server : answer.source_servers()) {
          application->servers.push_back(ToServer(server));
          ++*count;
        }
        if (*count <= kMostWaveServers) return absl::OkStatus();
        return rpc::FieldError(
            "wave", absl::StrCat("has more than ", kMostWaveServers, " servers; split it"));
      }));
  std::sort(application->servers.begin(), application->servers.end(),
            [](const FleetServer& a, const FleetServer& b) {
              return std::tie(a.hostname, a.id) < std::tie(b.hostname, b.id);
            });
  return absl::OkStatus();
}

std::map<std::string, std::string> FleetClient::ReplicationProblems() {
  using replication::v1::Replication;
  std::map<std::string, std::string> out;
  // A warning at most: a coordinator that does not answer is none.
  ForEachPage(
      replication::v1::ListReplicationsRequest(),
      [&](const replication::v1::ListReplicationsRequest& request,
          const auto& see) -> absl::Status {
        replication::v1::ListReplicationsResponse answer;
        RETURN_IF_ERROR(Once([&](grpc::ClientContext& context) {
          return replications_->ListReplications(&context, request, &answer);
        }));
        return see(answer);
      },
      [&](const replication::v1::ListReplicationsResponse& answer) -> absl::Status {
        for (const Replication& replication : answer.replications()) {
          if (replication.state() != Replication::STALLED &&
              replication.state() != Replication::PAUSED &&
              replication.state() != Replication::DISCONNECTED) {
            continue;
          }
          std::string id = Without("sourceServers/", replication.name());
          id.erase(std::min(id.find('/'), id.size()));
          out[id] = Replication::State_Name(replication.state());
        }
        return absl::OkStatus();
      })
      .IgnoreError();
  return out;
}

absl::StatusOr<FleetServer> FleetClient::ReadServer(const std::string& server) {
  pb::GetSourceServerRequest request;
  request.set_name(absl::StrCat("sourceServers/", server));
  pb::SourceServer answer;
  RETURN_IF_ERROR(Once([&](grpc::ClientContext& context) {
    return servers_->GetSourceServer(&context, request, &answer);
  }));
  return ToServer(answer);
}

absl::StatusOr<std::string> FleetClient::StartTest(const std::string& server,
                                                   const std::string& request_id) {
  return JobOfCall([&](grpc::ClientContext& context, v1::Job* job) {
    return servers_->StartTest(&context, LaunchOf(server, request_id), job);
  });
}

absl::StatusOr<std::string> FleetClient::StartCutover(const std::string& server,
                                                      const std::string& request_id) {
  return JobOfCall([&](grpc::ClientContext& context, v1::Job* job) {
    return servers_->StartCutover(&context, LaunchOf(server, request_id), job);
  });
}

absl::StatusOr<std::string> FleetClient::Terminate(const std::string& server,
                                                   const std::string& request_id) {
  absl::StatusOr<std::string> job = JobOfCall([&](grpc::ClientContext& context, v1::Job* answer) {
    return servers_->TerminateTargetInstances(&context, LaunchOf(server, request_id), answer);
  });
  if (rpc::GetInfo(job.status()).reason == "NO_LAUNCHED_MACHINE") {
    return absl::NotFoundError(job.status().message());
  }
  return job;
}

absl::Status FleetClient::RevertCutover(const std::string& server, const std::string& request_id) {
  pb::SourceServer answer;
  return Once([&](grpc::ClientContext& context) {
    return servers_->RevertCutover(&context, VerbOf(server, request_id), &answer);
  });
}

absl::Status FleetClient::MarkReady(const std::string& server, const std::string& request_id) {
  pb::SourceServer answer;
  return Once([&](grpc::ClientContext& context) {
    return servers_->MarkReadyForCutover(&context, VerbOf(server, request_id), &answer);
  });
}

absl::Status FleetClient::Finalize(const std::string& server, bool keep_agent,
                                   const std::string& request_id) {
  pb::FinalizeRequest request;
  request.set_name(absl::StrCat("sourceServers/", server));
  request.set_request_id(request_id);
  request.set_keep_agent(keep_agent);
  pb::SourceServer answer;
  return Once([&](grpc::ClientContext& context) {
    return servers_->FinalizeCutover(&context, request, &answer);
  });
}

}  // namespace godwit::jobs
