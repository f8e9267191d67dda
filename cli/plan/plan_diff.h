// What has to change so that the fleet is as a plan file says.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/plan/fleet_state.h"
#include "cli/plan/plan_file.h"

namespace godwit::cli {

// A plan whose servers are known by name.
struct ResolvedApplication {
  const PlanApplication* application = nullptr;
  std::string wave;  // display name; empty: the file says nothing
  // By server name; of those that the file names, or, when it names none, of the present ones.
  std::map<std::string, PlanSettings> servers;
};
struct ResolvedPlan {
  std::vector<ResolvedApplication> applications;
};

// INVALID_ARGUMENT with the place: a host that no server or several have, a server in two
// applications, a name of a wave or application that several have.
absl::StatusOr<ResolvedPlan> Resolve(YamlFile& file, const PlanFile& plan, const FleetState& state);

struct Change {
  enum class Kind {
    kCreateWave,
    kUpdateWave,
    kCreateApplication,
    kUpdateApplication,
    kTakeServers,
    kTakeApplications,
    kPutServers,
    kPutApplications,
    kLaunchSettings,
    kReplicationSettings,
  } kind = Kind::kCreateWave;
  std::vector<std::string> lines;  // for people: "+ …", "- …", "~ …"
  registry::v1::Wave wave;         // to create, or with its name and what is new
  registry::v1::Application application;
  std::vector<std::string> paths;    // of an update
  std::string group;                 // display name of where members are put
  std::string group_name;            // where members are taken from
  std::vector<std::string> members;  // names of servers; display names of applications put
  std::string server;
  jobs::v1::LaunchSettings launch;
  registry::v1::ReplicationSettings replication;
};

// In the order in which they have to be made. `state` has the settings of every server of the plan
// whose settings it speaks of.
std::vector<Change> Diff(const PlanFile& plan, const ResolvedPlan& resolved,
                         const FleetState& state);

}  // namespace godwit::cli
