#include <grpcpp/impl/codegen/server_context.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/frame.h"
#include "services/registry/rpc/pending_server.h"
#include "services/registry/rpc/scoped_update.h"
#include "services/registry/rpc/server_quotas.h"
#include "services/registry/rpc/server_reads.h"
#include "services/registry/rpc/server_update.h"
#include "services/registry/rpc/verbs.h"
#include "services/registry/storage/server_store.h"

namespace godwit::registry {
namespace {

absl::Status Create(pg::Connection& connection, Backend& backend, const rpc::Call& call,
                    const pb::CreateSourceServerRequest& request, pb::SourceServer* response) {
  ASSIGN_OR_RETURN(const std::optional<SourceServer> taken,
                   storage::LockServerOfUserProvidedId(connection, request.user_provided_id()));
  if (taken) {
    return rpc::WithInfo(absl::AlreadyExistsError(absl::StrCat(
                             "user_provided_id: belongs to sourceServers/", taken->id)),
                         {.reason = "USER_PROVIDED_ID_TAKEN",
                          .domain = "registry",
                          .metadata = {{"server", absl::StrCat("sourceServers/", taken->id)}}});
  }
  ASSIGN_OR_RETURN(SourceServer server,
                   NewPendingServer(connection, backend.clock.Now(), request.user_provided_id()));
  Tags tags;
  RETURN_IF_ERROR(TagsFromJson(server.tags, &tags));
  for (const auto& [key, value] : request.tags()) tags[key] = value;
  RETURN_IF_ERROR(CheckTags("tags", tags));
  server.tags = TagsToJson(tags);
  RETURN_IF_ERROR(CheckQuotas(backend, connection, nullptr, server));
  ASSIGN_OR_RETURN(server, storage::InsertServer(connection, server,
                                                 {.event = "CreateSourceServer",
                                                  .principal = call.peer.Principal()}));
  ASSIGN_OR_RETURN(*response, ToProto(server));
  return absl::OkStatus();
}

}  // namespace

grpc::Status ServeCreateServer(grpc::ServerContext* context, Backend& backend,
                               const pb::CreateSourceServerRequest& request,
                               pb::SourceServer* response) {
  std::string name;
  return ServeChange(
      context, backend.mutator,
      {.method = "SourceServerService.CreateSourceServer",
       .access = rpc::kWriters,
       .resource = "sourceServers/-",
       .request_id = request.request_id(),
       .request = &request,
       .made_resource = &name},
      response,
      {.check = [&]() -> absl::Status {
         RETURN_IF_ERROR(CheckRequestId(request.request_id()));
         RETURN_IF_ERROR(
             CheckText("user_provided_id", request.user_provided_id(), 1, kMaxUserProvidedId));
         return CheckTags("tags", request.tags());
       },
       .apply = [&](pg::Connection& connection, const rpc::Call& call) -> absl::Status {
         RETURN_IF_ERROR(Create(connection, backend, call, request, response));
         name = response->name();
         return absl::OkStatus();
       }});
}

grpc::Status ServeUpdateServer(grpc::ServerContext* context, Backend& backend,
                               const pb::UpdateSourceServerRequest& request,
                               pb::SourceServer* response) {
  const pb::SourceServer& wanted = request.source_server();
  return ServeChange(
      context, backend.mutator,
      {.method = "SourceServerService.UpdateSourceServer",
       .access = rpc::kWriters,
       .resource = wanted.name(),
       .request_id = request.request_id(),
       .request = &request},
      response,
      {.check = [&] { return CheckServerUpdate(request); },
       .apply = [&](pg::Connection& connection, const rpc::Call& call) -> absl::Status {
         ASSIGN_OR_RETURN(const std::string id, ServerId("source_server.name", wanted.name()));
         ASSIGN_OR_RETURN(SourceServer server, storage::LockServer(connection, id));
         RETURN_IF_ERROR(CheckEtag(wanted.etag(), server.version));
         const std::string tags_before = server.tags;
         if (call.scope != nullptr) RETURN_IF_ERROR(CheckScopedUpdate(request));
         RETURN_IF_ERROR(ApplyServerUpdate(connection, request, server));
         if (call.scope != nullptr) {
           RETURN_IF_ERROR(CheckScopedTags(connection, tags_before, server.tags));
         }
         ASSIGN_OR_RETURN(server, storage::SaveServer(connection, server,
                                                      {.event = "UpdateSourceServer",
                                                       .principal = call.peer.Principal()}));
         ASSIGN_OR_RETURN(*response, ToProto(server));
         return absl::OkStatus();
       }});
}

grpc::Status ServeDeleteServer(grpc::ServerContext* context, Backend& backend,
                               const pb::DeleteSourceServerRequest& request,
                               pb::DeleteSourceServerResponse* response) {
  return ServeChange(
      context, backend.mutator,
      {.method = "SourceServerService.DeleteSourceServer",
       .access = rpc::kWriters,
       .resource = request.name(),
       .request = &request},
      response,
      {.check = [&] { return ServerId("name", request.name()).status(); },
       .apply = [&](pg::Connection& connection, const rpc::Call& call) -> absl::Status {
         ASSIGN_OR_RETURN(const std::string id, ServerId("name", request.name()));
         ASSIGN_OR_RETURN(const SourceServer server, storage::LockServer(connection, id));
         RETURN_IF_ERROR(CheckEtag(request.etag(), server.version));
         RETURN_IF_ERROR(CheckEvent(ProfileOf(backend, call), server, Event::kDelete));
         return storage::DeleteServer(connection, id);
       }});
}

}  // namespace godwit::registry
