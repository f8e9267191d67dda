#include "services/gateway/mgn/rpc/server_json.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/source_server.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "godwit/replication/v1/replication_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/proto_time.h"
#include "services/gateway/mgn/rpc/replication_json.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
namespace replication_pb = ::godwit::replication::v1;
using jobs::v1::LaunchedMachine;
using nlohmann::json;

json LaunchJson(const pb::LaunchRecord& record) {
  json out = json::object();
  if (record.has_initiate_time()) {
    out["initiated"] = {{"apiCallDateTime", ToText(record.initiate_time())}};
    if (!record.job().empty()) out["initiated"]["jobID"] = MgnJobId(record.job());
  }
  if (record.has_finalize_time()) {
    out["finalized"] = {{"apiCallDateTime", ToText(record.finalize_time())}};
  }
  if (record.has_revert_time()) {
    out["reverted"] = {{"apiCallDateTime", ToText(record.revert_time())}};
  }
  return out;
}

json LifeCycleJson(const pb::SourceServer& server, const replication_pb::Replication* replication) {
  json out = {{"state", pb::SourceServer::LifecycleState_Name(server.lifecycle_state())}};
  PutTime(out, "addedToServiceDateTime", server.has_create_time(), server.create_time());
  if (replication != nullptr && replication->has_agent_seen_time()) {
    out["lastSeenByServiceDateTime"] = ToText(replication->agent_seen_time());
  } else {
    PutTime(out, "lastSeenByServiceDateTime", server.has_enroll_time(), server.enroll_time());
  }
  if (server.has_last_test()) out["lastTest"] = LaunchJson(server.last_test());
  if (server.has_last_cutover()) out["lastCutover"] = LaunchJson(server.last_cutover());
  return out;
}

json PropertiesJson(const pb::SourceProperties& properties) {
  json hints = json::object();
  PutText(hints, "hostname", properties.hostname());
  PutText(hints, "fqdn", properties.fqdn());
  json out = {{"identificationHints", hints}};
  PutTime(out, "lastUpdatedDateTime", properties.has_update_time(), properties.update_time());
  if (properties.ram_bytes() > 0) out["ramBytes"] = properties.ram_bytes();
  if (!properties.os().full_string().empty()) {
    out["os"] = {{"fullString", properties.os().full_string()}};
  }
  for (const pb::Disk& disk : properties.disks()) {
    out["disks"].push_back({{"deviceName", disk.device_name()}, {"bytes", disk.size_bytes()}});
  }
  for (const pb::Cpu& cpu : properties.cpus()) {
    out["cpus"].push_back({{"modelName", cpu.model_name()}, {"cores", cpu.core_count()}});
  }
  for (const pb::NetworkInterface& nic : properties.network_interfaces()) {
    json ips = json::array();
    for (const std::string& address : nic.addresses()) {
      ips.push_back(address.substr(0, address.find('/')));
    }
    out["networkInterfaces"].push_back(
        {{"macAddress", nic.mac_address()}, {"ips", ips}, {"isPrimary", nic.is_primary()}});
  }
  return out;
}

// MGN has no word for a boot that failed; UNKNOWN is what it shows then.
json MachineJson(const LaunchedMachine& machine) {
  json out = {{"ec2InstanceID", machine.machine_id()}};
  if (!machine.job().empty()) out["jobID"] = MgnJobId(machine.job());
  switch (machine.first_boot()) {
    case LaunchedMachine::WAITING:
      out["firstBoot"] = "WAITING";
      break;
    case LaunchedMachine::SUCCEEDED:
      out["firstBoot"] = "SUCCEEDED";
      break;
    case LaunchedMachine::STOPPED:
      out["firstBoot"] = "STOPPED";
      break;
    default:
      out["firstBoot"] = "UNKNOWN";
  }
  return out;
}

json ConnectorJson(const pb::ServerNotes& notes, const Place& place) {
  json out = json::object();
  PutText(out, "credentialsSecretArn", notes.credentials_arn());
  if (!notes.connector().empty()) {
    out["connectorArn"] = Arn(place, "connector", IdOf(notes.connector()));
  }
  return out;
}

}  // namespace

json SourceServerJson(const pb::SourceServer& server,
                      const replication_pb::Replication* replication, const Place& place) {
  const std::string id = IdOf(server.name());
  json tags = json::object();
  for (const auto& [key, value] : server.tags()) tags[key] = value;
  json out = {{"sourceServerID", id},
              {"arn", Arn(place, "source-server", id)},
              {"isArchived", server.archived()},
              {"tags", tags},
              {"replicationType", "AGENT_BASED"},
              {"lifeCycle", LifeCycleJson(server, replication)},
              {"sourceProperties", PropertiesJson(server.properties())},
              {"dataReplicationInfo", DataReplicationJson(server, replication)}};
  PutText(out, "userProvidedID", server.user_provided_id());
  PutText(out, "fqdnForActionFramework", server.notes().action_fqdn());
  if (server.replication_type() == pb::SourceServer::SNAPSHOT_SHIPPING) {
    out["replicationType"] = "SNAPSHOT_SHIPPING";
  }
  const json connector = ConnectorJson(server.notes(), place);
  if (!connector.empty()) out["connectorAction"] = connector;
  if (!server.application().empty()) out["applicationID"] = IdOf(server.application());
  if (server.has_launched_machine())
    out["launchedInstance"] = MachineJson(server.launched_machine());
  return out;
}

absl::StatusOr<pb::SourceServer> GetServer(const Call& call, const std::string& id) {
  pb::GetSourceServerRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), ServerName(id));
  return call.Ask(pb::SourceServerService::NewStub(call.services().registry),
                  &pb::SourceServerService::Stub::GetSourceServer, request);
}

absl::StatusOr<json> ShowServer(const Call& call, const pb::SourceServer& server) {
  replication_pb::GetReplicationRequest request;
  request.set_name(absl::StrCat(server.name(), "/replication"));
  const auto replication =
      call.Ask(replication_pb::ReplicationService::NewStub(call.services().replication),
               &replication_pb::ReplicationService::Stub::GetReplication, request);
  if (!replication.ok() && !absl::IsNotFound(replication.status())) return replication.status();
  return SourceServerJson(server, replication.ok() ? &*replication : nullptr, call.place());
}

}  // namespace godwit::gateway::mgn
