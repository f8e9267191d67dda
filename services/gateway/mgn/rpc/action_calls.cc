// Post-launch actions of servers and of launch templates.
#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/model/settings_shapes.h"
#include "services/gateway/mgn/rpc/action_json.h"
#include "services/gateway/mgn/rpc/call.h"
#include "services/gateway/mgn/rpc/changes.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using jobs::v1::LaunchSettings;
using jobs::v1::PostLaunchAction;
using nlohmann::json;
using Change = std::function<absl::Status(LaunchSettings*)>;

constexpr std::size_t kMostOfPage = 100;

// Where actions are kept: launch settings of a server, or those of a template.
struct Owner {
  absl::StatusOr<LaunchSettings> (*get)(const Call& call, const json& input);
  absl::StatusOr<LaunchSettings> (*change)(const Call& call, const json& input,
                                           const Change& change);
  const Shape& shape;
};

const Owner kServers = {
    .get = [](const Call& call,
              const json& input) { return GetLaunchSettings(call, input["sourceServerID"]); },
    .change =
        [](const Call& call, const json& input, const Change& change) {
          return ChangeLaunch(call, input["sourceServerID"], change);
        },
    .shape = kSourceServerActionDocument};

absl::StatusOr<LaunchSettings> LaunchOf(absl::StatusOr<pb::SettingsTemplate> from) {
  RETURN_IF_ERROR(from);
  return std::move(*from->mutable_launch());
}

const Owner kTemplates = {
    .get =
        [](const Call& call, const json& input) {
          return LaunchOf(
              FindTemplate(call, Half::kLaunch, input["launchConfigurationTemplateID"]));
        },
    .change =
        [](const Call& call, const json& input, const Change& change) {
          return LaunchOf(ChangeTemplate(
              call, Half::kLaunch, input["launchConfigurationTemplateID"], {"launch"},
              [&](pb::SettingsTemplate* one) { return change(one->mutable_launch()); }));
        },
    .shape = kTemplateActionDocument};

OperationFunction Put(const Owner& owner) {
  return [owner](const Call& call, const json& input) -> absl::StatusOr<json> {
    const Documents documents(call.services().documents_dir);
    ASSIGN_OR_RETURN(const LaunchSettings saved,
                     owner.change(call, input, [&](LaunchSettings* settings) {
                       return PutAction(input, documents, settings);
                     }));
    const PostLaunchAction* action = FindAction(input["actionID"], saved);
    if (action == nullptr) return absl::InternalError("the action was not saved");
    return ActionJson(*action, owner.shape);
  };
}

OperationFunction Remove(const Owner& owner) {
  return [owner](const Call& call, const json& input) -> absl::StatusOr<json> {
    RETURN_IF_ERROR(owner
                        .change(call, input,
                                [&](LaunchSettings* settings) {
                                  return RemoveAction(input["actionID"], settings);
                                })
                        .status());
    return json::object();
  };
}

// The custom actions that `filter` takes, in their order, above `after`.
std::vector<const PostLaunchAction*> Select(const LaunchSettings& settings, const json& filter,
                                            int after) {
  const std::set<std::string> ids = filter.value("actionIDs", std::set<std::string>());
  std::vector<const PostLaunchAction*> chosen;
  for (const PostLaunchAction& action : settings.post_launch_actions()) {
    if (action.order() < kFirstCustomOrder || action.order() <= after) continue;
    if (ids.empty() || ids.count(action.action_id()) > 0) chosen.push_back(&action);
  }
  std::sort(chosen.begin(), chosen.end(),
            [](const auto* a, const auto* b) { return a->order() < b->order(); });
  return chosen;
}

OperationFunction List(const Owner& owner) {
  return [owner](const Call& call, const json& input) -> absl::StatusOr<json> {
    const json filter = input.value("filters", json::object());
    ASSIGN_OR_RETURN(const std::string place, ParsePageToken(call.operation().name, filter.dump(),
                                                             input.value("nextToken", "")));
    int after = 0;
    if (!place.empty() && !absl::SimpleAtoi(place, &after)) {
      return rpc::FieldError("nextToken", "is not a token of this list");
    }
    ASSIGN_OR_RETURN(const LaunchSettings settings, owner.get(call, input));
    const auto chosen = Select(settings, filter, after);
    const std::size_t count =
        std::min({chosen.size(), input.value("maxResults", kMostOfPage), kMostOfPage});
    json out = {{"items", json::array()}};
    for (std::size_t i = 0; i < count; ++i) {
      out["items"].push_back(ActionJson(*chosen[i], owner.shape));
    }
    if (count < chosen.size()) {
      out["nextToken"] =
          PageToken(call.operation().name, filter.dump(), absl::StrCat(chosen[count - 1]->order()));
    }
    return out;
  };
}

}  // namespace

OperationList ActionCalls() {
  return {
      {"PutSourceServerAction", Put(kServers)},       {"ListSourceServerActions", List(kServers)},
      {"RemoveSourceServerAction", Remove(kServers)}, {"PutTemplateAction", Put(kTemplates)},
      {"ListTemplateActions", List(kTemplates)},      {"RemoveTemplateAction", Remove(kTemplates)}};
}

}  // namespace godwit::gateway::mgn
