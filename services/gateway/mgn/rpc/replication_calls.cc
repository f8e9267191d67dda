// Replication: what the coordinator does. Starting and stopping is the registry's
// (server_calls.cc).
#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/source_server.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/call.h"
#include "services/gateway/mgn/rpc/server_json.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::replication::v1;
using nlohmann::json;
using Stub = pb::ReplicationService::Stub;
using Verb = grpc::Status (Stub::*)(grpc::ClientContext*, const pb::ReplicationVerbRequest&,
                                    pb::Replication*);

OperationFunction AsVerb(Verb verb) {
  return [verb](const Call& call, const json& input) -> absl::StatusOr<json> {
    // First, so that an unknown server is told in the words of the registry.
    ASSIGN_OR_RETURN(const registry::v1::SourceServer server,
                     GetServer(call, input["sourceServerID"].get<std::string>()));
    pb::ReplicationVerbRequest request;
    request.set_name(absl::StrCat(server.name(), "/replication"));
    request.set_request_id(call.ChangeId());
    ASSIGN_OR_RETURN(
        const pb::Replication replication,
        call.Ask(pb::ReplicationService::NewStub(call.services().replication), verb, request));
    return SourceServerJson(server, &replication, call.place());
  };
}

}  // namespace

OperationList ReplicationCalls() {
  return {{"PauseReplication", AsVerb(&Stub::PauseReplication)},
          {"ResumeReplication", AsVerb(&Stub::ResumeReplication)},
          {"RetryDataReplication", AsVerb(&Stub::RetryReplication)}};
}

}  // namespace godwit::gateway::mgn
