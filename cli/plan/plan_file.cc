#include "cli/plan/plan_file.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"

namespace godwit::cli {
namespace {

using google::protobuf::FieldDescriptor;

class Parser {
 public:
  explicit Parser(YamlFile& file) : file_(file) {}

  absl::StatusOr<PlanFile> Plan(const YAML::Node& node) {
    RETURN_IF_ERROR(file_.NeedMap(node, "the plan", {"version", "waves", "applications"}));
    if (!node["version"]) return file_.Error(node, "version: is required; this is version 1");
    ASSIGN_OR_RETURN(const std::string version, file_.Text(node["version"], "version"));
    if (version != "1") {
      return file_.Error(node["version"],
                         absl::StrCat("version: ", version, " is not known here, only 1"));
    }
    PlanFile plan;
    if (const YAML::Node waves = node["waves"]) {
      RETURN_IF_ERROR(file_.NeedList(waves, "waves"));
      for (const auto& entry : waves) {
        ASSIGN_OR_RETURN(PlanWave wave, Wave(entry));
        plan.waves.push_back(std::move(wave));
      }
    }
    if (const YAML::Node applications = node["applications"]) {
      ASSIGN_OR_RETURN(plan.applications, Applications(applications));
    }
    return plan;
  }

 private:
  absl::StatusOr<PlanWave> Wave(const YAML::Node& node) {
    RETURN_IF_ERROR(file_.NeedMap(node, "a wave", {"name", "description", "tags", "applications"}));
    PlanWave wave{.node = node};
    ASSIGN_OR_RETURN(wave.name, Name(node, waves_, "wave"));
    ASSIGN_OR_RETURN(wave.description, Optional(node, "description"));
    ASSIGN_OR_RETURN(wave.tags, OptionalTags(node));
    if (const YAML::Node applications = node["applications"]) {
      ASSIGN_OR_RETURN(wave.applications, Applications(applications));
    }
    return wave;
  }

  absl::StatusOr<std::vector<PlanApplication>> Applications(const YAML::Node& node) {
    RETURN_IF_ERROR(file_.NeedList(node, "applications"));
    std::vector<PlanApplication> out;
    for (const auto& entry : node) {
      ASSIGN_OR_RETURN(PlanApplication application, Application(entry));
      out.push_back(std::move(application));
    }
    return out;
  }

  absl::StatusOr<PlanApplication> Application(const YAML::Node& node) {
    RETURN_IF_ERROR(file_.NeedMap(
        node, "an application",
        {"name", "description", "tags", "servers", "launch_settings", "replication_settings"}));
    PlanApplication application{.node = node};
    ASSIGN_OR_RETURN(application.name, Name(node, applications_, "application"));
    ASSIGN_OR_RETURN(application.description, Optional(node, "description"));
    ASSIGN_OR_RETURN(application.tags, OptionalTags(node));
    ASSIGN_OR_RETURN(application.settings, Settings(node));
    if (const YAML::Node servers = node["servers"]) {
      RETURN_IF_ERROR(file_.NeedList(servers, "servers"));
      application.servers.emplace();
      for (const auto& entry : servers) {
        ASSIGN_OR_RETURN(PlanServer server, Server(entry));
        application.servers->push_back(std::move(server));
        if (++servers_ > kMostPlanServers) {
          return file_.Error(entry, absl::StrCat("more than ", kMostPlanServers, " servers"));
        }
      }
    }
    return application;
  }

  absl::StatusOr<PlanServer> Server(const YAML::Node& node) {
    RETURN_IF_ERROR(file_.NeedMap(
        node, "a server", {"id", "host", "tags", "launch_settings", "replication_settings"}));
    PlanServer server{.node = node};
    const int ways = (node["id"] ? 1 : 0) + (node["host"] ? 1 : 0) + (node["tags"] ? 1 : 0);
    if (ways != 1) return file_.Error(node, "a server needs one of id, host and tags");
    if (const YAML::Node id = node["id"]) {
      ASSIGN_OR_RETURN(server.id, file_.Text(id, "id"));
      if (!CheckId("id", "s-", server.id).ok()) {
        return file_.Error(id, absl::StrCat("id: \"", server.id, "\" is not s- and 17 hex digits"));
      }
    } else if (const YAML::Node host = node["host"]) {
      ASSIGN_OR_RETURN(server.host, file_.Text(host, "host"));
      if (server.host.empty()) return file_.Error(host, "host: is empty");
    } else {
      ASSIGN_OR_RETURN(const std::optional<Tags> tags, OptionalTags(node));
      server.tags = *tags;
      if (server.tags.empty()) return file_.Error(node, "tags: needs at least one");
    }
    ASSIGN_OR_RETURN(server.settings, Settings(node));
    return server;
  }

  absl::StatusOr<PlanSettings> Settings(const YAML::Node& node) {
    PlanSettings out;
    if (const YAML::Node launch = node["launch_settings"]) {
      ASSIGN_OR_RETURN(out.launch_fields, MessageFromYaml(file_, launch, out.launch));
    }
    if (const YAML::Node replication = node["replication_settings"]) {
      ASSIGN_OR_RETURN(out.replication_fields,
                       MessageFromYaml(file_, replication, out.replication));
    }
    return out;
  }

  absl::StatusOr<std::string> Name(const YAML::Node& node, std::set<std::string>& taken,
                                   absl::string_view what) {
    const YAML::Node value = node["name"];
    if (!value) return file_.Error(node, absl::StrCat("name: is required for each ", what));
    ASSIGN_OR_RETURN(std::string name, file_.Text(value, "name"));
    if (name.empty() || name.size() > 256) {
      return file_.Error(value, "name: must have 1 to 256 bytes");
    }
    if (!taken.insert(name).second) {
      return file_.Error(value, absl::StrCat("name: there is another ", what, " \"", name, "\""));
    }
    return name;
  }

  absl::StatusOr<std::optional<std::string>> Optional(const YAML::Node& node, const char* key) {
    const YAML::Node value = node[key];
    if (!value) return std::optional<std::string>();
    ASSIGN_OR_RETURN(std::string text, file_.Text(value, key));
    return std::optional<std::string>(std::move(text));
  }

  absl::StatusOr<std::optional<Tags>> OptionalTags(const YAML::Node& node) {
    const YAML::Node value = node["tags"];
    if (!value) return std::optional<Tags>();
    RETURN_IF_ERROR(file_.NeedMap(value, "tags", {}));
    Tags tags;
    for (const auto& entry : value) {
      ASSIGN_OR_RETURN(tags[entry.first.Scalar()], file_.Text(entry.second, "tags"));
    }
    return std::optional<Tags>(std::move(tags));
  }

  YamlFile& file_;
  std::set<std::string> waves_, applications_;
  int servers_ = 0;
};

template <typename Settings>
void MergeFields(const Settings& from, const std::set<std::string>& names, Settings& to) {
  // A copy of what is taken: fields that are unset in it are cleared by the swap.
  Settings copy = from;
  std::vector<const FieldDescriptor*> fields;
  for (const std::string& name : names) {
    fields.push_back(Settings::descriptor()->FindFieldByName(name));
  }
  Settings::GetReflection()->SwapFields(&to, &copy, fields);
}

}  // namespace

void PlanSettings::Merge(const PlanSettings& other) {
  MergeFields(other.launch, other.launch_fields, launch);
  MergeFields(other.replication, other.replication_fields, replication);
  launch_fields.insert(other.launch_fields.begin(), other.launch_fields.end());
  replication_fields.insert(other.replication_fields.begin(), other.replication_fields.end());
}

absl::StatusOr<PlanFile> ParsePlan(YamlFile& file, const std::string& text) {
  // The library tells of errors by exceptions; they end here.
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() != 1) {
      return file.Error(YAML::Mark::null_mark(), "a plan is one YAML document with \"version: 1\"");
    }
    return Parser(file).Plan(documents[0]);
  } catch (const YAML::Exception& error) {
    return file.Error(error.mark, error.msg);
  }
}

absl::StatusOr<std::string> ReadPlanText(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path == "-" ? "/dev/stdin" : path, kMostPlanBytes);
  if (!text.ok()) return absl::InvalidArgumentError(text.status().message());
  return text;
}

}  // namespace godwit::cli
