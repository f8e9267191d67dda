#include <grpcpp/impl/codegen/server_context.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/registry/domain/transition.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/frame.h"
#include "services/registry/rpc/handlers.h"
#include "services/registry/storage/server_store.h"

namespace godwit::registry {
namespace {

constexpr int kMostFacts = 500;

absl::StatusOr<std::string> JobId(absl::string_view field, absl::string_view name) {
  absl::StatusOr<std::string> id = ParseName(field, "jobs", "job-", name);
  if (!id.ok()) return rpc::FieldError(field, id.status().message());
  return id;
}

absl::Status CheckPointName(const pb::ReportInitialSyncDoneRequest& request) {
  absl::string_view rest = request.point();
  if (!absl::ConsumePrefix(&rest, absl::StrCat(request.source_server(), "/points/")) ||
      !CheckId("point", "p-", rest).ok()) {
    return rpc::FieldError("point",
                           absl::StrCat("must be ", request.source_server(), "/points/p-..."));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ServerIds(const pb::ListReplicationFactsRequest& request) {
  if (request.source_servers().empty() || request.source_servers_size() > kMostFacts) {
    return rpc::FieldError("source_servers", absl::StrCat("1 to ", kMostFacts, " are required"));
  }
  std::vector<std::string> out;
  for (int i = 0; i < request.source_servers_size(); ++i) {
    ASSIGN_OR_RETURN(out.emplace_back(),
                     ServerId(absl::StrCat("source_servers[", i, "]"), request.source_servers(i)));
  }
  return out;
}

bool Removes(jobs_pb::Job::Type type) {
  return type == jobs_pb::Job::TERMINATE || type == jobs_pb::Job::CLEAN_UP;
}

absl::Status CheckLaunch(const pb::ReportLaunchRequest& request) {
  RETURN_IF_ERROR(ServerId("source_server", request.source_server()));
  RETURN_IF_ERROR(JobId("job", request.job()));
  if (request.type() != jobs_pb::Job::TEST_LAUNCH &&
      request.type() != jobs_pb::Job::CUTOVER_LAUNCH && !Removes(request.type())) {
    return rpc::FieldError("type", "must be TEST_LAUNCH, CUTOVER_LAUNCH, TERMINATE or CLEAN_UP");
  }
  if (request.launch_status() < jobs_pb::ParticipatingServer::PENDING ||
      request.launch_status() > jobs_pb::ParticipatingServer::TERMINATED) {
    return rpc::FieldError("launch_status", "is required");
  }
  if (!Removes(request.type()) &&
      request.launch_status() == jobs_pb::ParticipatingServer::LAUNCHED) {
    if (!request.has_machine()) return rpc::FieldError("machine", "is required with LAUNCHED");
    RETURN_IF_ERROR(CheckText("machine.machine_id", request.machine().machine_id(), 1, 256));
  }
  return CheckRequestId(request.request_id());
}

class EventHandler final : public pb::RegistryEventService::Service {
 public:
  explicit EventHandler(Backend& backend) : backend_(backend) {}

  grpc::Status ReportInitialSyncDone(grpc::ServerContext* context,
                                     const pb::ReportInitialSyncDoneRequest* request,
                                     pb::ReportResponse* response) override {
    return ServeChange(
        context, backend_.mutator,
        {.method = "RegistryEventService.ReportInitialSyncDone",
         .access = rpc::kServices,
         .resource = request->source_server(),
         .request_id = request->request_id(),
         .request = request},
        response,
        {.check = [&]() -> absl::Status {
           RETURN_IF_ERROR(ServerId("source_server", request->source_server()));
           RETURN_IF_ERROR(CheckPointName(*request));
           return CheckRequestId(request->request_id());
         },
         .apply = [&](pg::Connection& connection, const rpc::Call& call) -> absl::Status {
           ASSIGN_OR_RETURN(const std::string id,
                            ServerId("source_server", request->source_server()));
           ASSIGN_OR_RETURN(SourceServer server, storage::LockServer(connection, id));
           // Past it, or stopped meanwhile: nothing to do.
           if (!Next(backend_.profile, server.lifecycle, Event::kInitialSyncDone)) {
             return absl::OkStatus();
           }
           Apply(backend_.profile, Event::kInitialSyncDone, backend_.clock.Now(), "", server);
           return Save(connection, server, Name(Event::kInitialSyncDone), call);
         }});
  }

  grpc::Status ReportLaunch(grpc::ServerContext* context, const pb::ReportLaunchRequest* request,
                            pb::ReportResponse* response) override {
    return ServeChange(
        context, backend_.mutator,
        {.method = "RegistryEventService.ReportLaunch",
         .access = rpc::kServices,
         .resource = request->source_server(),
         .request = request},  // told twice is told once, also when the machine's ports changed
        response,
        {.check = [&] { return CheckLaunch(*request); },
         .apply = [&](pg::Connection& connection, const rpc::Call& call) -> absl::Status {
           ASSIGN_OR_RETURN(const std::string id,
                            ServerId("source_server", request->source_server()));
           ASSIGN_OR_RETURN(SourceServer server, storage::LockServer(connection, id));
           LaunchReport report{.terminates = Removes(request->type()),
                               .status = static_cast<LaunchStatus>(request->launch_status())};
           ASSIGN_OR_RETURN(report.job, JobId("job", request->job()));
           if (request->has_machine()) {
             ASSIGN_OR_RETURN(report.machine, ToJson(request->machine()));
           }
           if (!ApplyLaunchReport(report, server)) return absl::OkStatus();
           return Save(connection, server, EventOf(*request), call);
         }});
  }

  grpc::Status GetServerForService(grpc::ServerContext* context,
                                   const pb::GetServerForServiceRequest* request,
                                   pb::ServerForService* response) override {
    return rpc::Serve(
        context, "RegistryEventService.GetServerForService", rpc::kServices,
        [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const std::string id, ServerId("name", request->name()));
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
          ASSIGN_OR_RETURN(const SourceServer server, storage::GetServer(*connection, id));
          ASSIGN_OR_RETURN(*response->mutable_source_server(), ToProto(server));
          RETURN_IF_ERROR(
              FromJson(server.replication_settings, response->mutable_replication_settings()));
          // An agent that leaves the service must still be told so: only its identity counts.
          response->set_agent_allowed(!server.identity_revoked && !server.public_key_hash.empty());
          return absl::OkStatus();
        });
  }

  grpc::Status ListReplicationFacts(grpc::ServerContext* context,
                                    const pb::ListReplicationFactsRequest* request,
                                    pb::ListReplicationFactsResponse* response) override {
    return rpc::Serve(
        context, "RegistryEventService.ListReplicationFacts", rpc::kServices,
        [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const std::vector<std::string> ids, ServerIds(*request));
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
          ASSIGN_OR_RETURN(const auto found, storage::ListReplicationFacts(*connection, ids));
          for (const storage::ReplicationFacts& facts : found) {
            pb::ReplicationFacts& out = *response->add_facts();
            out.set_source_server(absl::StrCat("sourceServers/", facts.id));
            out.set_agent_allowed(facts.enrolled && !facts.identity_revoked);
            out.set_identity_revoked(facts.identity_revoked);
            RETURN_IF_ERROR(FromJson(facts.settings, out.mutable_replication_settings()));
          }
          return absl::OkStatus();
        });
  }

 private:
  static absl::Status Save(pg::Connection& connection, const SourceServer& server,
                           absl::string_view event, const rpc::Call& call) {
    return storage::SaveServer(connection, server,
                               {.event = event, .principal = call.peer.Principal()})
        .status();
  }

  // "TEST_LAUNCH LAUNCHED".
  static std::string EventOf(const pb::ReportLaunchRequest& request) {
    return absl::StrCat(jobs_pb::Job::Type_Name(request.type()), " ",
                        jobs_pb::ParticipatingServer::LaunchStatus_Name(request.launch_status()));
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeEventHandler(Backend& backend) {
  return std::make_unique<EventHandler>(backend);
}

}  // namespace godwit::registry
