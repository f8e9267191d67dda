// Replication and launch settings of servers.
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/model/settings_shapes.h"
#include "services/gateway/mgn/rpc/call.h"
#include "services/gateway/mgn/rpc/changes.h"
#include "services/gateway/mgn/rpc/launch_settings_json.h"
#include "services/gateway/mgn/rpc/notes.h"
#include "services/gateway/mgn/rpc/replication_settings_json.h"
#include "services/gateway/mgn/rpc/server_json.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using jobs::v1::LaunchSettings;
using nlohmann::json;

std::string IdIn(const json& input) { return input["sourceServerID"]; }

json Replication(const pb::SourceServer& server, const pb::ReplicationSettings& settings) {
  json out = ReplicationJson(settings, kReplicationConfiguration);
  const json disks = {{"replicatedDisks", DisksJson(server.properties(), settings)}};
  out.update(Fitting(kReplicationConfiguration, disks));
  out["sourceServerID"] = IdOf(server.name());
  return out;
}

json Launch(const std::string& server, const LaunchSettings& settings) {
  json out = LaunchJson(settings, kLaunchConfiguration);
  out["sourceServerID"] = server;
  return out;
}

absl::StatusOr<json> GetReplicationConfiguration(const Call& call, const json& input) {
  ASSIGN_OR_RETURN(const pb::SourceServer server, GetServer(call, IdIn(input)));
  ASSIGN_OR_RETURN(const pb::ReplicationSettings settings,
                   GetReplicationSettings(call, IdIn(input)));
  return Replication(server, settings);
}

absl::StatusOr<json> UpdateReplicationConfiguration(const Call& call, const json& input) {
  pb::SourceServer server;
  ASSIGN_OR_RETURN(
      const pb::ReplicationSettings settings,
      ChangeReplication(call, IdIn(input),
                        [&](const pb::SourceServer& now, pb::ReplicationSettings* change) {
                          server = now;
                          RETURN_IF_ERROR(ReadReplication(input, change));
                          return ReadDisks(input, now.properties(), change);
                        }));
  return Replication(server, settings);
}

absl::StatusOr<json> GetLaunchConfiguration(const Call& call, const json& input) {
  ASSIGN_OR_RETURN(const LaunchSettings settings, GetLaunchSettings(call, IdIn(input)));
  return Launch(IdIn(input), settings);
}

absl::StatusOr<json> UpdateLaunchConfiguration(const Call& call, const json& input) {
  const Documents documents(call.services().documents_dir);
  ASSIGN_OR_RETURN(const LaunchSettings settings,
                   ChangeLaunch(call, IdIn(input), [&](LaunchSettings* change) {
                     return ReadLaunch(input, documents, change);
                   }));
  return Launch(IdIn(input), settings);
}

}  // namespace

OperationList SettingsCalls() {
  return {{"GetReplicationConfiguration", GetReplicationConfiguration},
          {"UpdateReplicationConfiguration", UpdateReplicationConfiguration},
          {"GetLaunchConfiguration", GetLaunchConfiguration},
          {"UpdateLaunchConfiguration", UpdateLaunchConfiguration}};
}

}  // namespace godwit::gateway::mgn
