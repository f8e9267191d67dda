// Connectors: records that nothing acts on here (docs/gateway.md).
#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/connector_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/call.h"
#include "services/gateway/mgn/rpc/paged_list.h"
#include "services/gateway/mgn/rpc/proto_time.h"
#include "services/gateway/mgn/rpc/tag_holders.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using nlohmann::json;
using Stub = pb::ConnectorService::Stub;

auto Connect(const Call& call) { return pb::ConnectorService::NewStub(call.services().registry); }

absl::StatusOr<std::string> ConnectorName(const json& input) {
  const std::string id = input["connectorID"];
  const std::string name = absl::StrCat("connectors/", id);
  if (CheckId("connectorID", "connector-", id).ok()) return name;
  return absl::NotFoundError(absl::StrCat("there is no ", name));
}

void FillConfig(const json& input, pb::ConnectorCommandConfig* out) {
  out->set_s3_output_enabled(input["s3OutputEnabled"].get<bool>());
  out->set_output_s3_bucket_name(input.value("outputS3BucketName", ""));
  out->set_cloud_watch_output_enabled(input["cloudWatchOutputEnabled"].get<bool>());
  out->set_cloud_watch_log_group_name(input.value("cloudWatchLogGroupName", ""));
}

json ConnectorJson(const pb::Connector& connector, const Place& place) {
  const std::string id = IdOf(connector.name());
  json out = {{"connectorID", id},
              {"name", connector.display_name()},
              {"ssmInstanceID", connector.instance_id()},
              {"arn", Arn(place, "connector", id)}};
  PutTags(out, connector.tags());
  if (!connector.has_command_config()) return out;
  const pb::ConnectorCommandConfig& config = connector.command_config();
  json& shown = out["ssmCommandConfig"];
  shown["s3OutputEnabled"] = config.s3_output_enabled();
  shown["cloudWatchOutputEnabled"] = config.cloud_watch_output_enabled();
  PutText(shown, "outputS3BucketName", config.output_s3_bucket_name());
  PutText(shown, "cloudWatchLogGroupName", config.cloud_watch_log_group_name());
  return out;
}

absl::StatusOr<json> CreateConnector(const Call& call, const json& input) {
  pb::CreateConnectorRequest request;
  request.set_request_id(call.ChangeId());
  pb::Connector& connector = *request.mutable_connector();
  connector.set_display_name(input["name"].get<std::string>());
  connector.set_instance_id(input["ssmInstanceID"].get<std::string>());
  if (input.contains("ssmCommandConfig")) {
    FillConfig(input["ssmCommandConfig"], connector.mutable_command_config());
  }
  FillTags(input, connector.mutable_tags());
  ASSIGN_OR_RETURN(const pb::Connector made,
                   call.Ask(Connect(call), &Stub::CreateConnector, request));
  return ConnectorJson(made, call.place());
}

absl::StatusOr<json> UpdateConnector(const Call& call, const json& input) {
  ASSIGN_OR_RETURN(const std::string name, ConnectorName(input));
  pb::UpdateConnectorRequest request;
  request.mutable_connector()->set_name(name);
  if (input.contains("name")) {
    request.mutable_connector()->set_display_name(input["name"].get<std::string>());
    request.mutable_update_mask()->add_paths("display_name");
  }
  if (input.contains("ssmCommandConfig")) {
    FillConfig(input["ssmCommandConfig"], request.mutable_connector()->mutable_command_config());
    request.mutable_update_mask()->add_paths("command_config");
  }
  absl::StatusOr<pb::Connector> shown;
  if (request.update_mask().paths().empty()) {  // nothing to change
    pb::GetConnectorRequest get;
    get.set_name(name);
    shown = call.Ask(Connect(call), &Stub::GetConnector, get);
  } else {
    shown = call.Ask(Connect(call), &Stub::UpdateConnector, request);
  }
  RETURN_IF_ERROR(shown);
  return ConnectorJson(*shown, call.place());
}

absl::StatusOr<json> ListConnectors(const Call& call, const json& input) {
  pb::ListConnectorsRequest request;
  ASSIGN_OR_RETURN(const bool any, FillListRequest(call, input, "connectorIDs", "connectors",
                                                   "connector-", &request));
  pb::ListConnectorsResponse found;
  if (any) {
    ASSIGN_OR_RETURN(found, call.Ask(Connect(call), &Stub::ListConnectors, request));
  }
  json items = json::array();
  for (const pb::Connector& connector : found.connectors()) {
    items.push_back(ConnectorJson(connector, call.place()));
  }
  return PageOf(call, input, std::move(items), found.next_page_token());
}

absl::StatusOr<json> DeleteConnector(const Call& call, const json& input) {
  pb::DeleteConnectorRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), ConnectorName(input));
  RETURN_IF_ERROR(call.Ask(Connect(call), &Stub::DeleteConnector, request).status());
  return json::object();
}

absl::StatusOr<pb::Connector> GetConnector(const Call& call, const std::string& id) {
  pb::GetConnectorRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), ConnectorName(json{{"connectorID", id}}));
  return call.Ask(Connect(call), &Stub::GetConnector, request);
}

absl::Status ChangeTags(const Call& call, const std::string& id,
                        const std::function<void(Tags&)>& change) {
  ASSIGN_OR_RETURN(const pb::Connector connector, GetConnector(call, id));
  pb::UpdateConnectorRequest request;
  request.mutable_connector()->set_name(connector.name());
  request.mutable_connector()->set_etag(connector.etag());
  *request.mutable_connector()->mutable_tags() = connector.tags();
  change(*request.mutable_connector()->mutable_tags());
  request.mutable_update_mask()->add_paths("tags");
  return call.Ask(Connect(call), &Stub::UpdateConnector, request).status();
}

}  // namespace

TagHolder ConnectorTags() {
  return {.type = "connector",
          .read = [](const Call& call, const std::string& id) -> absl::StatusOr<Tags> {
            ASSIGN_OR_RETURN(const pb::Connector connector, GetConnector(call, id));
            return connector.tags();
          },
          .change = ChangeTags};
}

OperationList ConnectorCalls() {
  return {{"CreateConnector", CreateConnector},
          {"UpdateConnector", UpdateConnector},
          {"ListConnectors", ListConnectors},
          {"DeleteConnector", DeleteConnector}};
}

}  // namespace godwit::gateway::mgn
