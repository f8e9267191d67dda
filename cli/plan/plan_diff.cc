#include "cli/plan/plan_diff.h"

#include <algorithm>
#include <memory>
#include <set>

#include "absl/strings/str_cat.h"
#include "cli/format.h"
#include "cli/output.h"
#include "google/protobuf/util/message_differencer.h"
#include "services/common/base/status_macros.h"

namespace godwit::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using registry::v1::Application;
using registry::v1::SourceServer;
using registry::v1::Wave;
using Kind = Change::Kind;

std::string Quoted(absl::string_view text) { return absl::StrCat("\"", Plain(text), "\""); }

template <typename Group>
const Group* Find(const std::vector<Group>& groups, const std::string& display_name) {
  for (const Group& group : groups) {
    if (group.display_name() == display_name) return &group;
  }
  return nullptr;
}

class Resolver {
 public:
  Resolver(YamlFile& file, const FleetState& state) : file_(file), state_(state) {}

  absl::StatusOr<ResolvedPlan> Run(const PlanFile& plan) {
    for (const PlanWave& wave : plan.waves) {
      RETURN_IF_ERROR(CheckOne(state_.waves, wave.name, wave.node, "waves"));
      if (!wave.applications) continue;
      for (const PlanApplication& application : *wave.applications) {
        RETURN_IF_ERROR(Add(application, wave.name));
      }
    }
    for (const PlanApplication& application : plan.applications) {
      RETURN_IF_ERROR(Add(application, ""));
    }
    return std::move(out_);
  }

 private:
  template <typename Group>
  absl::Status CheckOne(const std::vector<Group>& groups, const std::string& name,
                        const YAML::Node& node, absl::string_view what) {
    const auto count = std::count_if(groups.begin(), groups.end(), [&](const Group& group) {
      return group.display_name() == name;
    });
    if (count < 2) return absl::OkStatus();
    return file_.Error(
        node, absl::StrCat(count, " ", what, " are called ", Quoted(name), "; rename all but one"));
  }

  absl::Status Add(const PlanApplication& application, const std::string& wave) {
    RETURN_IF_ERROR(
        CheckOne(state_.applications, application.name, application.node, "applications"));
    ResolvedApplication resolved{.application = &application, .wave = wave};
    if (!application.servers) {
      const Application* const present = Find(state_.applications, application.name);
      for (const SourceServer& server : state_.servers) {
        if (present != nullptr && server.application() == present->name()) {
          resolved.servers[server.name()] = application.settings;
        }
      }
    } else {
      RETURN_IF_ERROR(AddServers(application, resolved));
    }
    out_.applications.push_back(std::move(resolved));
    return absl::OkStatus();
  }

  absl::Status AddServers(const PlanApplication& application, ResolvedApplication& resolved) {
    // Single servers are said last: they stand above what tags say.
    std::set<std::string> single;
    for (const bool by_tags : {true, false}) {
      for (const PlanServer& server : *application.servers) {
        if (server.tags.empty() == by_tags) continue;
        ASSIGN_OR_RETURN(const std::vector<std::string> names, Names(server));
        for (const std::string& name : names) {
          if (!by_tags && !single.insert(name).second) {
            return file_.Error(server.node, absl::StrCat(ShortName(name), " is named twice"));
          }
          const auto [owner, first] = owners_.emplace(name, &application);
          if (owner->second != &application) {
            return file_.Error(server.node,
                               absl::StrCat(ShortName(name), " is in application ",
                                            Quoted(owner->second->name), " of this file, too"));
          }
          const auto [entry, added] = resolved.servers.emplace(name, application.settings);
          entry->second.Merge(server.settings);
        }
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> Names(const PlanServer& wanted) {
    std::vector<std::string> names;
    for (const SourceServer& server : state_.servers) {
      const bool fits = !wanted.id.empty()     ? ShortName(server.name()) == wanted.id
                        : !wanted.host.empty() ? server.properties().hostname() == wanted.host
                                               : HasAll(server, wanted.tags);
      if (fits) names.push_back(server.name());
    }
    if (!wanted.tags.empty() || names.size() == 1) return names;
    const std::string text = wanted.id.empty() ? absl::StrCat("host ", Quoted(wanted.host))
                                               : absl::StrCat("id ", wanted.id);
    if (names.empty()) return file_.Error(wanted.node, absl::StrCat("no server has the ", text));
    return file_.Error(wanted.node,
                       absl::StrCat(names.size(), " servers have the ", text, "; name them by id"));
  }

  static bool HasAll(const SourceServer& server, const Tags& tags) {
    return std::all_of(tags.begin(), tags.end(), [&](const auto& tag) {
      const auto found = server.tags().find(tag.first);
      return found != server.tags().end() && found->second == tag.second;
    });
  }

  YamlFile& file_;
  const FleetState& state_;
  ResolvedPlan out_;
  std::map<std::string, const PlanApplication*> owners_;
};

template <typename Map>
Tags AsTags(const Map& map) {
  return Tags(map.begin(), map.end());
}
std::string TagText(const Tags& tags) {
  std::string out;
  for (const auto& [key, value] : tags) {
    absl::StrAppend(&out, out.empty() ? "" : ", ", key, "=", value);
  }
  return Quoted(out);
}

bool SameField(const Message& a, const Message& b, const FieldDescriptor* field) {
  const auto* const reflection = a.GetReflection();
  // Set to nothing is something else than not set, where the field knows the difference.
  if (!field->is_repeated() && field->has_presence() &&
      reflection->HasField(a, field) != reflection->HasField(b, field)) {
    return false;
  }
  return google::protobuf::util::MessageDifferencer().CompareWithFields(a, b, {field}, {field});
}

class Differ {
 public:
  Differ(const PlanFile& plan, const ResolvedPlan& resolved, const FleetState& state)
      : plan_(plan), resolved_(resolved), state_(state) {}

  std::vector<Change> Run() {
    for (const PlanWave& wave : plan_.waves) {
      LookAtGroup(wave, Find(state_.waves, wave.name), "wave", Kind::kCreateWave,
                  [](Change& change) -> Wave& { return change.wave; });
    }
    for (const ResolvedApplication& resolved : resolved_.applications) {
      const PlanApplication& application = *resolved.application;
      LookAtGroup(application, Find(state_.applications, application.name), "application",
                  Kind::kCreateApplication,
                  [](Change& change) -> Application& { return change.application; });
    }
    LookAtServers();
    LookAtApplications();
    for (auto* const changes :
         {&take_servers_, &take_applications_, &put_servers_, &put_applications_}) {
      for (auto& [key, change] : *changes) out_.push_back(std::move(change));
    }
    for (const ResolvedApplication& resolved : resolved_.applications) {
      for (const auto& [server, settings] : resolved.servers) LookAtSettings(server, settings);
    }
    return std::move(out_);
  }

 private:
  using ByGroup = std::map<std::string, Change>;

  // A wave or an application itself. Update kinds follow their create kinds.
  template <typename Wanted, typename Group, typename Slot>
  void LookAtGroup(const Wanted& wanted, const Group* present, const char* noun, Kind create,
                   const Slot& slot) {
    Change change{.kind = create};
    Group& group = slot(change);
    const std::string title = absl::StrCat(noun, " ", Quoted(wanted.name));
    const std::string description = wanted.description.value_or("");
    if (present == nullptr) {
      group.set_display_name(wanted.name);
      group.set_description(description);
      if (wanted.tags) group.mutable_tags()->insert(wanted.tags->begin(), wanted.tags->end());
      change.lines.push_back(absl::StrCat("+ ", title));
      out_.push_back(std::move(change));
      return;
    }
    change.kind = static_cast<Kind>(static_cast<int>(create) + 1);
    group.set_name(present->name());
    if (wanted.description && description != present->description()) {
      group.set_description(description);
      change.paths.push_back("description");
      change.lines.push_back(absl::StrCat("~ ", title, ": description ",
                                          Quoted(present->description()), " -> ",
                                          Quoted(description)));
    }
    if (wanted.tags && *wanted.tags != AsTags(present->tags())) {
      group.mutable_tags()->insert(wanted.tags->begin(), wanted.tags->end());
      change.paths.push_back("tags");
      change.lines.push_back(absl::StrCat("~ ", title, ": tags ", TagText(AsTags(present->tags())),
                                          " -> ", TagText(*wanted.tags)));
    }
    if (!change.paths.empty()) out_.push_back(std::move(change));
  }

  static void Take(ByGroup& changes, Kind kind, const std::string& group_name,
                   const std::string& title, const std::string& member, const std::string& called) {
    Change& change = changes[group_name];
    change.kind = kind;
    change.group_name = group_name;
    change.members.push_back(member);
    change.lines.push_back(absl::StrCat("- ", title, ": ", called));
  }
  static void PutIn(ByGroup& changes, Kind kind, const std::string& group, const std::string& title,
                    const std::string& member, const std::string& called) {
    Change& change = changes[group];
    change.kind = kind;
    change.group = group;
    change.members.push_back(member);
    change.lines.push_back(absl::StrCat("+ ", title, ": ", called));
  }

  std::string TitleOf(const std::string& application) const {
    const Application* const found = state_.Application(application);
    return absl::StrCat("application ",
                        found == nullptr ? ShortName(application) : Quoted(found->display_name()));
  }

  void LookAtServers() {
    for (const ResolvedApplication& resolved : resolved_.applications) {
      if (!resolved.application->servers) continue;
      const std::string& name = resolved.application->name;
      const std::string title = absl::StrCat("application ", Quoted(name));
      const Application* const present = Find(state_.applications, name);
      const std::string own = present == nullptr ? "" : present->name();
      for (const SourceServer& server : state_.servers) {
        const std::string called = absl::StrCat("server ", Plain(Called(server)));
        const bool wanted = resolved.servers.contains(server.name());
        const bool there = !own.empty() && server.application() == own;
        if (wanted == there) continue;
        if (there) {
          Take(take_servers_, Kind::kTakeServers, own, title, server.name(), called);
          continue;
        }
        // From where it is, unless that is said where the other application is looked at.
        if (!server.application().empty() && !Loses(server)) {
          Take(take_servers_, Kind::kTakeServers, server.application(),
               TitleOf(server.application()), server.name(), called);
        }
        PutIn(put_servers_, Kind::kPutServers, name, title, server.name(), called);
      }
    }
  }

  // Whether the file lists the servers of the application that the server is in now.
  bool Loses(const SourceServer& server) const {
    return std::any_of(resolved_.applications.begin(), resolved_.applications.end(),
                       [&](const ResolvedApplication& resolved) {
                         const Application* const present =
                             Find(state_.applications, resolved.application->name);
                         return resolved.application->servers && present != nullptr &&
                                present->name() == server.application();
                       });
  }

  void LookAtApplications() {
    std::map<std::string, std::string> wanted;  // application -> wave
    for (const ResolvedApplication& resolved : resolved_.applications) {
      if (!resolved.wave.empty()) wanted[resolved.application->name] = resolved.wave;
    }
    std::map<std::string, const Wave*> waves;  // by name
    for (const Wave& wave : state_.waves) waves[wave.name()] = &wave;
    for (const Application& application : state_.applications) {
      const auto wave = waves.find(application.wave());
      if (wave == waves.end()) continue;
      const auto target = wanted.find(application.display_name());
      const std::string& now = wave->second->display_name();
      const bool moves = target != wanted.end() && target->second != now;
      if (!moves && (target != wanted.end() || !ListsApplications(now))) continue;
      Take(take_applications_, Kind::kTakeApplications, application.wave(),
           absl::StrCat("wave ", Quoted(now)), application.name(),
           absl::StrCat("application ", Quoted(application.display_name())));
    }
    for (const auto& [name, wave] : wanted) {
      const Application* const present = Find(state_.applications, name);
      const Wave* const target = Find(state_.waves, wave);
      if (present != nullptr && target != nullptr && present->wave() == target->name()) continue;
      PutIn(put_applications_, Kind::kPutApplications, wave, absl::StrCat("wave ", Quoted(wave)),
            name, absl::StrCat("application ", Quoted(name)));
    }
  }

  bool ListsApplications(const std::string& wave) const {
    return std::any_of(plan_.waves.begin(), plan_.waves.end(),
                       [&](const PlanWave& one) { return one.name == wave && one.applications; });
  }

  void LookAtSettings(const std::string& server, const PlanSettings& wanted) {
    const SourceServer* const known = state_.Server(server);
    const std::string title =
        absl::StrCat("server ", known == nullptr ? ShortName(server) : Plain(Called(*known)));
    Change launch{.kind = Kind::kLaunchSettings, .server = server, .launch = wanted.launch};
    Compare(title, "launch_settings", wanted.launch_fields, state_.launch, wanted.launch, launch);
    Change replication{
        .kind = Kind::kReplicationSettings, .server = server, .replication = wanted.replication};
    Compare(title, "replication_settings", wanted.replication_fields, state_.replication,
            wanted.replication, replication);
  }

  template <typename Settings>
  void Compare(const std::string& title, const char* what, const std::set<std::string>& names,
               const std::map<std::string, Settings>& present, const Settings& wanted,
               Change& change) {
    const auto found = present.find(change.server);
    const Settings now = found == present.end() ? Settings() : found->second;
    for (const std::string& name : names) {
      const FieldDescriptor* const field = Settings::descriptor()->FindFieldByName(name);
      if (SameField(now, wanted, field)) continue;
      change.paths.push_back(name);
      change.lines.push_back(absl::StrCat("~ ", title, ": ", what, ".", name, " ",
                                          Plain(FieldText(now, field)), " -> ",
                                          Plain(FieldText(wanted, field))));
    }
    if (!change.paths.empty()) out_.push_back(std::move(change));
  }

  const PlanFile& plan_;
  const ResolvedPlan& resolved_;
  const FleetState& state_;
  std::vector<Change> out_;
  ByGroup take_servers_, take_applications_, put_servers_, put_applications_;
};

}  // namespace

absl::StatusOr<ResolvedPlan> Resolve(YamlFile& file, const PlanFile& plan,
                                     const FleetState& state) {
  return Resolver(file, state).Run(plan);
}

std::vector<Change> Diff(const PlanFile& plan, const ResolvedPlan& resolved,
                         const FleetState& state) {
  return Differ(plan, resolved, state).Run();
}

}  // namespace godwit::cli
