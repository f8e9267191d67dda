// Waves, applications and servers as they are now.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/context.h"
#include "godwit/jobs/v1/launch.pb.h"
#include "godwit/registry/v1/fleet_service.pb.h"
#include "godwit/registry/v1/settings.pb.h"
#include "godwit/registry/v1/source_server.pb.h"

namespace godwit::cli {

// What is archived is left out. Settings are by server name, of those that were asked for.
struct FleetState {
  std::vector<registry::v1::Wave> waves;
  std::vector<registry::v1::Application> applications;
  std::vector<registry::v1::SourceServer> servers;
  std::map<std::string, jobs::v1::LaunchSettings> launch;
  std::map<std::string, registry::v1::ReplicationSettings> replication;

  // The first that fits; null when there is none.
  const registry::v1::SourceServer* Server(const std::string& name) const;
  const registry::v1::Application* Application(const std::string& name) const;
};

absl::StatusOr<FleetState> ReadFleet(Context& context);
// Reads what is not read yet.
absl::Status ReadLaunchSettings(Context& context, const std::string& server, FleetState& state);
absl::Status ReadReplicationSettings(Context& context, const std::string& server,
                                     FleetState& state);

// "web1 (s-…)".
std::string Called(const registry::v1::SourceServer& server);

}  // namespace godwit::cli
