#include "cli/plan/plan_export.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/format.h"
#include "cli/plan/yaml_message.h"
#include "google/protobuf/util/message_differencer.h"

namespace godwit::cli {
namespace {

using registry::v1::Application;
using registry::v1::SourceServer;

class Exporter {
 public:
  explicit Exporter(const FleetState& state) : state_(state) {
    for (const SourceServer& server : state.servers) ++hosts_[server.properties().hostname()];
  }

  std::string Run() {
    out_ << YAML::BeginMap << YAML::Key << "version" << YAML::Value << 1;
    out_ << YAML::Key << "waves" << YAML::Value << YAML::BeginSeq;
    for (const auto& wave : state_.waves) {
      Begin(wave);
      out_ << YAML::Key << "applications" << YAML::Value << YAML::BeginSeq;
      Applications(wave.name());
      out_ << YAML::EndSeq << YAML::EndMap;
    }
    out_ << YAML::EndSeq << YAML::Key << "applications" << YAML::Value << YAML::BeginSeq;
    Applications("");
    out_ << YAML::EndSeq << YAML::EndMap;
    return absl::StrCat(out_.c_str(), "\n");
  }

 private:
  // Opens the map of a wave or an application.
  template <typename Group>
  void Begin(const Group& group) {
    out_ << YAML::BeginMap;
    Text("name", group.display_name());
    if (!group.description().empty()) Text("description", group.description());
    if (group.tags().empty()) return;
    out_ << YAML::Key << "tags" << YAML::Value << YAML::BeginMap;
    const std::map<std::string, std::string> tags(group.tags().begin(), group.tags().end());
    for (const auto& [key, value] : tags) {
      out_ << YAML::Key << YAML::DoubleQuoted << key << YAML::Value << YAML::DoubleQuoted << value;
    }
    out_ << YAML::EndMap;
  }
  void Text(const char* key, const std::string& text) {
    out_ << YAML::Key << key << YAML::Value << YAML::DoubleQuoted << text;
  }

  void Applications(const std::string& wave) {
    for (const Application& application : state_.applications) {
      if (application.wave() == wave) One(application);
    }
  }

  void One(const Application& application) {
    std::vector<const SourceServer*> servers;
    for (const SourceServer& server : state_.servers) {
      if (server.application() == application.name()) servers.push_back(&server);
    }
    Begin(application);
    const bool same_launch = Shared("launch_settings", state_.launch, servers);
    const bool same_replication = Shared("replication_settings", state_.replication, servers);
    out_ << YAML::Key << "servers" << YAML::Value << YAML::BeginSeq;
    for (const SourceServer* server : servers) {
      out_ << YAML::BeginMap;
      const std::string& host = server->properties().hostname();
      if (!host.empty() && hosts_[host] == 1) {
        Text("host", host);
      } else {
        Text("id", ShortName(server->name()));
      }
      if (!same_launch) Settings("launch_settings", state_.launch, *server);
      if (!same_replication) Settings("replication_settings", state_.replication, *server);
      out_ << YAML::EndMap;
    }
    out_ << YAML::EndSeq << YAML::EndMap;
  }

  // True when all servers have the same settings, which are then written here.
  template <typename All>
  bool Shared(const char* key, const All& all, const std::vector<const SourceServer*>& servers) {
    if (servers.empty()) return true;
    const auto first = all.find(servers.front()->name());
    for (const SourceServer* server : servers) {
      const auto own = all.find(server->name());
      if (first == all.end() || own == all.end() ||
          !google::protobuf::util::MessageDifferencer::Equals(first->second, own->second)) {
        return false;
      }
    }
    Settings(key, all, *servers.front());
    return true;
  }

  template <typename All>
  void Settings(const char* key, const All& all, const SourceServer& server) {
    const auto own = all.find(server.name());
    if (own == all.end() || own->second.ByteSizeLong() == 0) return;
    out_ << YAML::Key << key << YAML::Value;
    MessageToYaml(own->second, out_);
  }

  const FleetState& state_;
  std::map<std::string, int> hosts_;
  YAML::Emitter out_;
};

}  // namespace

std::string ExportPlan(const FleetState& state) { return Exporter(state).Run(); }

}  // namespace godwit::cli
