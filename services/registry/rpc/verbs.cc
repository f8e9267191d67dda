#include "services/registry/rpc/verbs.h"

#include <grpcpp/impl/codegen/server_context.h>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/registry/domain/transition.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/frame.h"
#include "services/registry/rpc/server_quotas.h"
#include "services/registry/storage/server_store.h"

namespace godwit::registry {
namespace {

absl::StatusOr<SourceServer> Read(Backend& backend, const std::string& id) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend.mutator.pool().Acquire());
  return storage::GetServer(*connection, id);
}

}  // namespace

absl::Status CheckEvent(Profile profile, const SourceServer& server, Event event) {
  const std::optional<Refusal> refusal = Refuse(profile, server, event);
  if (!refusal) return absl::OkStatus();
  return rpc::WithInfo(
      absl::FailedPreconditionError(absl::StrCat("sourceServers/", server.id, ": ", refusal->text)),
      {.reason = refusal->reason,
       .domain = "registry",
       .metadata = {{"server", absl::StrCat("sourceServers/", server.id)},
                    {"state", std::string(Name(server.lifecycle))},
                    {"call", std::string(Name(event))},
                    {"helpful_call", refusal->helpful_call}}});
}

grpc::Status ServeVerb(grpc::ServerContext* context, Backend& backend, const Verb& verb,
                       pb::SourceServer* response) {
  const std::string method = absl::StrCat("SourceServerService.", Name(verb.event));
  std::string command;
  return ServeChange(
      context, backend.mutator,
      {.method = method.c_str(),
       .access = rpc::kWriters,
       .resource = verb.name,
       .request_id = verb.request_id,
       .request = verb.request},
      response,
      {.check = [&]() -> absl::Status {
         ASSIGN_OR_RETURN(const std::string id, ServerId("name", verb.name));
         RETURN_IF_ERROR(CheckRequestId(verb.request_id));
         if (!verb.precheck) return absl::OkStatus();
         ASSIGN_OR_RETURN(const SourceServer server, Read(backend, id));
         return verb.precheck(server);
       },
       .apply = [&](pg::Connection& connection, const rpc::Call& call) -> absl::Status {
         ASSIGN_OR_RETURN(const std::string id, ServerId("name", verb.name));
         ASSIGN_OR_RETURN(const SourceServer before, storage::LockServer(connection, id));
         RETURN_IF_ERROR(CheckEtag(verb.etag, before.version));
         RETURN_IF_ERROR(CheckEvent(ProfileOf(backend, call), before, verb.event));
         SourceServer after = before;
         Apply(ProfileOf(backend, call), verb.event, backend.clock.Now(), /*job=*/"", after);
         RETURN_IF_ERROR(CheckQuotas(backend, connection, &before, after));
         command.clear();
         if (verb.command) {
           ASSIGN_OR_RETURN(command, verb.command(connection, before, after));
         }
         ASSIGN_OR_RETURN(after, storage::SaveServer(connection, after,
                                                     {.event = Name(verb.event),
                                                      .principal = call.peer.Principal()}));
         ASSIGN_OR_RETURN(*response, ToProto(after));
         return absl::OkStatus();
       },
       // What cannot be delivered now is delivered in the background.
       .after = [&](const rpc::Call&, bool) -> absl::Status {
         if (!command.empty()) backend.sender.DeliverNow(command);
         return absl::OkStatus();
       }});
}

}  // namespace godwit::registry
