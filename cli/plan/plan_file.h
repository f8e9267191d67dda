// The declarative plan file: waves, applications, servers and their settings as they should be.
// docs/waves.md describes it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/plan/yaml_message.h"
#include "godwit/jobs/v1/launch.pb.h"
#include "godwit/registry/v1/settings.pb.h"

namespace godwit::cli {

inline constexpr std::size_t kMostPlanBytes = 4u << 20;
inline constexpr int kMostPlanServers = 10'000;

using Tags = std::map<std::string, std::string>;

// Settings with the names of the top-level fields that the file speaks of; others stay.
struct PlanSettings {
  std::set<std::string> launch_fields, replication_fields;
  jobs::v1::LaunchSettings launch;
  registry::v1::ReplicationSettings replication;
  // `other` on top of this.
  void Merge(const PlanSettings& other);
};

// Which server: exactly one of id, host and tags is set.
struct PlanServer {
  YAML::Node node;  // for errors
  std::string id;   // "s-…"
  std::string host;
  Tags tags;  // every server that has all of these
  PlanSettings settings;
};
struct PlanApplication {
  YAML::Node node;
  std::string name;
  std::optional<std::string> description;
  std::optional<Tags> tags;
  std::optional<std::vector<PlanServer>> servers;  // all of the application's, when there
  PlanSettings settings;                           // of each of its servers
};
struct PlanWave {
  YAML::Node node;
  std::string name;
  std::optional<std::string> description;
  std::optional<Tags> tags;
  std::optional<std::vector<PlanApplication>> applications;  // all of the wave's, when there
};
struct PlanFile {
  std::vector<PlanWave> waves;
  std::vector<PlanApplication> applications;  // outside of the waves of the file
};

// INVALID_ARGUMENT "path:line:column: …".
absl::StatusOr<PlanFile> ParsePlan(YamlFile& file, const std::string& text);
// The text of a plan file, "-" being standard input; at most kMostPlanBytes.
absl::StatusOr<std::string> ReadPlanText(const std::string& path);

}  // namespace godwit::cli
