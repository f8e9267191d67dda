// What tools keep with a source server, and how it replicates.
#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/call.h"
#include "services/gateway/mgn/rpc/member_names.h"
#include "services/gateway/mgn/rpc/server_json.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using nlohmann::json;

absl::StatusOr<pb::UpdateSourceServerRequest> UpdateOf(const Call& call, const json& input) {
  pb::UpdateSourceServerRequest request;
  request.set_request_id(call.ChangeId());
  ASSIGN_OR_RETURN(*request.mutable_source_server()->mutable_name(),
                   ServerName(input["sourceServerID"].get<std::string>()));
  return request;
}

absl::StatusOr<json> Ask(const Call& call, const pb::UpdateSourceServerRequest& request) {
  const absl::StatusOr<pb::SourceServer> server =
      call.Ask(pb::SourceServerService::NewStub(call.services().registry),
               &pb::SourceServerService::Stub::UpdateSourceServer, request);
  if (server.ok()) return ShowServer(call, *server);
  return InMembers(
      server.status(),
      {{"source_server.user_provided_id", "userProvidedID"},
       {"source_server.notes.action_fqdn", "fqdnForActionFramework"},
       {"source_server.notes.platform", "platform"},
       {"source_server.notes.connector", "connectorAction.connectorArn"},
       {"source_server.notes.credentials_arn", "connectorAction.credentialsSecretArn"}});
}

// The connector that an ARN names.
absl::StatusOr<std::string> ConnectorIn(const std::string& arn, const Place& place) {
  const std::optional<Resource> resource = ParseArn(arn, place);
  if (!resource || resource->type != "connector") {
    return rpc::FieldError("connectorAction.connectorArn",
                           "is no ARN of a connector of this installation");
  }
  return absl::StrCat("connectors/", resource->id);
}

absl::StatusOr<json> UpdateSourceServer(const Call& call, const json& input) {
  ASSIGN_OR_RETURN(pb::UpdateSourceServerRequest request, UpdateOf(call, input));
  pb::SourceServer& server = *request.mutable_source_server();
  pb::ServerNotes& notes = *server.mutable_notes();
  google::protobuf::FieldMask& mask = *request.mutable_update_mask();
  if (input.contains("userProvidedID")) {
    server.set_user_provided_id(input["userProvidedID"].get<std::string>());
    mask.add_paths("user_provided_id");
  }
  if (input.contains("fqdnForActionFramework")) {
    notes.set_action_fqdn(input["fqdnForActionFramework"].get<std::string>());
    mask.add_paths("notes.action_fqdn");
  }
  if (input.contains("platform")) {
    notes.set_platform(input["platform"].get<std::string>());
    mask.add_paths("notes.platform");
  }
  if (input.contains("connectorAction")) {
    // One value: what it lacks is gone.
    const json& action = input["connectorAction"];
    notes.set_credentials_arn(action.value("credentialsSecretArn", ""));
    mask.add_paths("notes.credentials_arn");
    if (action.contains("connectorArn")) {
      ASSIGN_OR_RETURN(*notes.mutable_connector(),
                       ConnectorIn(action["connectorArn"].get<std::string>(), call.place()));
    }
    mask.add_paths("notes.connector");
  }
  if (!mask.paths().empty()) return Ask(call, request);
  ASSIGN_OR_RETURN(const pb::SourceServer present,
                   GetServer(call, input["sourceServerID"].get<std::string>()));
  return ShowServer(call, present);
}

absl::StatusOr<json> UpdateSourceServerReplicationType(const Call& call, const json& input) {
  ASSIGN_OR_RETURN(pb::UpdateSourceServerRequest request, UpdateOf(call, input));
  pb::SourceServer::ReplicationType type = pb::SourceServer::REPLICATION_TYPE_UNSPECIFIED;
  pb::SourceServer::ReplicationType_Parse(input["replicationType"].get<std::string>(), &type);
  request.mutable_source_server()->set_replication_type(type);
  request.mutable_update_mask()->add_paths("replication_type");
  return Ask(call, request);
}

}  // namespace

OperationList ServerNoteCalls() {
  return {{"UpdateSourceServer", UpdateSourceServer},
          {"UpdateSourceServerReplicationType", UpdateSourceServerReplicationType}};
}

}  // namespace godwit::gateway::mgn
