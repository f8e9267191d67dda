#include "services/registry/rpc/settings_calls.h"

#include <grpcpp/impl/codegen/server_context.h>

#include "services/common/base/status_macros.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/frame.h"
#include "services/registry/rpc/settings_rules.h"
#include "services/registry/storage/server_store.h"

namespace godwit::registry {
namespace {

absl::StatusOr<SourceServer> Read(Backend& backend, const std::string& name) {
  ASSIGN_OR_RETURN(const std::string id, ServerId("name", name));
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend.mutator.pool().Acquire());
  return storage::GetServer(*connection, id);
}

absl::Status Check(const pb::ReplicationSettings& settings) {
  return CheckReplicationSettings("settings", settings);
}
absl::Status Check(const jobs_pb::LaunchSettings& settings) {
  return CheckLaunchSettings("settings", settings);
}

// Merges the request into the document `member` of the server. The merged whole is checked: fields
// depend on each other.
template <typename Request, typename Settings>
grpc::Status Update(grpc::ServerContext* context, Backend& backend, const char* method,
                    const char* event, const Request& request, std::string SourceServer::*member,
                    Settings* response) {
  return ServeChange(
      context, backend.mutator,
      {.method = method, .access = rpc::kWriters, .resource = request.name(), .request = &request},
      response,
      {.check = [&]() -> absl::Status {
         RETURN_IF_ERROR(ServerId("name", request.name()));
         return CheckMask(*Settings::descriptor(), request.update_mask());
       },
       .apply = [&](pg::Connection& connection, const rpc::Call& call) -> absl::Status {
         ASSIGN_OR_RETURN(const std::string id, ServerId("name", request.name()));
         ASSIGN_OR_RETURN(SourceServer server, storage::LockServer(connection, id));
         RETURN_IF_ERROR(CheckEtag(request.etag(), server.version));
         Settings settings;
         RETURN_IF_ERROR(FromJson(server.*member, &settings));
         RETURN_IF_ERROR(MergeByMask(request.settings(), request.update_mask(), &settings));
         RETURN_IF_ERROR(Check(settings));
         ASSIGN_OR_RETURN(server.*member, ToJson(settings));
         RETURN_IF_ERROR(storage::SaveServer(connection, server,
                                             {.event = event, .principal = call.peer.Principal()}));
         *response = settings;
         return absl::OkStatus();
       }});
}

}  // namespace

absl::Status GetReplicationSettings(Backend& backend, const pb::GetSettingsRequest& request,
                                    pb::ReplicationSettings* response) {
  ASSIGN_OR_RETURN(const SourceServer server, Read(backend, request.name()));
  return FromJson(server.replication_settings, response);
}

absl::Status GetLaunchSettings(Backend& backend, const pb::GetSettingsRequest& request,
                               jobs_pb::LaunchSettings* response) {
  ASSIGN_OR_RETURN(const SourceServer server, Read(backend, request.name()));
  return FromJson(server.launch_settings, response);
}

grpc::Status ServeUpdateReplicationSettings(grpc::ServerContext* context, Backend& backend,
                                            const pb::UpdateReplicationSettingsRequest& request,
                                            pb::ReplicationSettings* response) {
  return Update(context, backend, "SourceServerService.UpdateReplicationSettings",
                "UpdateReplicationSettings", request, &SourceServer::replication_settings,
                response);
}

grpc::Status ServeUpdateLaunchSettings(grpc::ServerContext* context, Backend& backend,
                                       const pb::UpdateLaunchSettingsRequest& request,
                                       jobs_pb::LaunchSettings* response) {
  return Update(context, backend, "SourceServerService.UpdateLaunchSettings",
                "UpdateLaunchSettings", request, &SourceServer::launch_settings, response);
}

}  // namespace godwit::registry
