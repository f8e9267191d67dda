#include "cli/plan/fleet_state.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cli/call.h"
#include "cli/format.h"
#include "godwit/registry/v1/fleet_service.grpc.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"

namespace godwit::cli {
namespace {

using registry::v1::FleetService;
using registry::v1::SourceServerService;

template <typename List>
auto* Named(const List& list, const std::string& name) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const auto& one) { return one.name() == name; });
  return found == list.end() ? nullptr : &*found;
}

registry::v1::GetSettingsRequest SettingsOf(const std::string& server) {
  registry::v1::GetSettingsRequest request;
  request.set_name(server);
  return request;
}

}  // namespace

const registry::v1::SourceServer* FleetState::Server(const std::string& name) const {
  return Named(servers, name);
}
const registry::v1::Application* FleetState::Application(const std::string& name) const {
  return Named(applications, name);
}

absl::StatusOr<FleetState> ReadFleet(Context& context) {
  FleetState state;
  ASSIGN_OR_RETURN(const auto waves, CallAllPages(context, &FleetService::Stub::ListWaves,
                                                  registry::v1::ListGroupsRequest()));
  state.waves.assign(waves.waves().begin(), waves.waves().end());
  ASSIGN_OR_RETURN(const auto applications,
                   CallAllPages(context, &FleetService::Stub::ListApplications,
                                registry::v1::ListGroupsRequest()));
  state.applications.assign(applications.applications().begin(), applications.applications().end());
  ASSIGN_OR_RETURN(const auto servers,
                   CallAllPages(context, &SourceServerService::Stub::ListSourceServers,
                                registry::v1::ListSourceServersRequest()));
  state.servers.assign(servers.source_servers().begin(), servers.source_servers().end());
  return state;
}

absl::Status ReadLaunchSettings(Context& context, const std::string& server, FleetState& state) {
  if (state.launch.contains(server)) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      state.launch[server],
      Call(context, &SourceServerService::Stub::GetLaunchSettings, SettingsOf(server)));
  return absl::OkStatus();
}

absl::Status ReadReplicationSettings(Context& context, const std::string& server,
                                     FleetState& state) {
  if (state.replication.contains(server)) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      state.replication[server],
      Call(context, &SourceServerService::Stub::GetReplicationSettings, SettingsOf(server)));
  return absl::OkStatus();
}

std::string Called(const registry::v1::SourceServer& server) {
  const std::string id = ShortName(server.name());
  return server.properties().hostname().empty()
             ? id
             : absl::StrCat(server.properties().hostname(), " (", id, ")");
}

}  // namespace godwit::cli
