// Source servers: the list, the life cycle, the end.
#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/call.h"
#include "services/gateway/mgn/rpc/server_json.h"
#include "services/gateway/mgn/rpc/server_list.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using nlohmann::json;
using Stub = pb::SourceServerService::Stub;
absl::StatusOr<std::string> NameIn(const json& input) {
  return ServerName(input["sourceServerID"].get<std::string>());
}

// ServerVerbRequest or FinalizeRequest.
template <typename Request>
using Verb = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, pb::SourceServer*);

template <typename Request>
absl::StatusOr<json> RunVerb(const Call& call, const json& input, Verb<Request> verb) {
  Request request;
  ASSIGN_OR_RETURN(*request.mutable_name(), NameIn(input));
  request.set_request_id(call.ChangeId());
  ASSIGN_OR_RETURN(
      const pb::SourceServer server,
      call.Ask(pb::SourceServerService::NewStub(call.services().registry), verb, request));
  return ShowServer(call, server);
}

template <typename Request>
OperationFunction AsVerb(Verb<Request> verb) {
  return
      [verb](const Call& call, const json& input) { return RunVerb<Request>(call, input, verb); };
}

// One call there, several verbs here: which one, the present state decides.
absl::StatusOr<json> ChangeServerLifeCycleState(const Call& call, const json& input) {
  const std::string wanted = input["lifeCycle"]["state"];
  if (wanted == "CUTOVER") return RunVerb<pb::FinalizeRequest>(call, input, &Stub::FinalizeCutover);
  if (wanted == "READY_FOR_TEST")
    return RunVerb<pb::ServerVerbRequest>(call, input, &Stub::RevertToReadyForTest);
  ASSIGN_OR_RETURN(const pb::SourceServer server,
                   GetServer(call, input["sourceServerID"].get<std::string>()));
  const bool cutting_over = server.lifecycle_state() == pb::SourceServer::CUTTING_OVER;
  return RunVerb<pb::ServerVerbRequest>(
      call, input, cutting_over ? &Stub::RevertCutover : &Stub::MarkReadyForCutover);
}

absl::StatusOr<json> DeleteSourceServer(const Call& call, const json& input) {
  pb::DeleteSourceServerRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), NameIn(input));
  RETURN_IF_ERROR(call.Ask(pb::SourceServerService::NewStub(call.services().registry),
                           &Stub::DeleteSourceServer, request)
                      .status());
  return json::object();
}

}  // namespace

OperationList ServerCalls() {
  return {{"DescribeSourceServers", DescribeSourceServers},
          {"ChangeServerLifeCycleState", ChangeServerLifeCycleState},
          {"FinalizeCutover", AsVerb<pb::FinalizeRequest>(&Stub::FinalizeCutover)},
          {"DisconnectFromService", AsVerb<pb::FinalizeRequest>(&Stub::DisconnectFromService)},
          {"MarkAsArchived", AsVerb<pb::ServerVerbRequest>(&Stub::Archive)},
          {"StartReplication", AsVerb<pb::ServerVerbRequest>(&Stub::StartReplication)},
          {"StopReplication", AsVerb<pb::ServerVerbRequest>(&Stub::StopReplication)},
          {"DeleteSourceServer", DeleteSourceServer}};
}

}  // namespace godwit::gateway::mgn
