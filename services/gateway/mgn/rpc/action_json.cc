#include "services/gateway/mgn/rpc/action_json.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/gateway/mgn/rpc/action_members.h"
#include "services/gateway/mgn/rpc/notes.h"
#include "services/gateway/mgn/rpc/post_launch_documents.h"

namespace godwit::gateway::mgn {
namespace {

using jobs::v1::LaunchSettings;
using jobs::v1::PostLaunchAction;
using nlohmann::json;

// Jobs take printable ids alone.
absl::Status CheckActionId(const std::string& id) {
  const bool printable = std::all_of(id.begin(), id.end(), [](char c) {
    return absl::ascii_isprint(static_cast<unsigned char>(c));
  });
  if (printable) return absl::OkStatus();
  return rpc::FieldError("actionID", "may have printable ASCII characters only");
}

absl::Status CheckOrderIsFree(const json& input, const LaunchSettings& settings) {
  for (const PostLaunchAction& other : settings.post_launch_actions()) {
    if (other.order() != input["order"].get<int>() || other.action_id() == input["actionID"]) {
      continue;
    }
    return rpc::WithInfo(absl::FailedPreconditionError(
                             absl::StrCat("order: ", other.order(), " is that of action \"",
                                          other.action_id(), "\"; choose another")),
                         {.reason = "ORDER_TAKEN", .domain = "gateway"});
  }
  return absl::OkStatus();
}

}  // namespace

const PostLaunchAction* FindAction(const std::string& id, const LaunchSettings& settings) {
  for (const PostLaunchAction& action : settings.post_launch_actions()) {
    if (action.action_id() == id) return &action;
  }
  return nullptr;
}

absl::Status PutAction(const json& input, const Documents& documents, LaunchSettings* settings) {
  const std::string id = input["actionID"];
  RETURN_IF_ERROR(CheckActionId(id));
  RETURN_IF_ERROR(CheckOrderIsFree(input, *settings));
  PostLaunchAction action;
  action.set_action_id(id);
  action.set_order(input["order"]);
  ASSIGN_OR_RETURN(*action.mutable_command(),
                   documents.Read("documentIdentifier",
                                  input["documentIdentifier"].get_ref<const std::string&>(),
                                  input.value("documentVersion", "")));
  action.set_active(input.value("active", true));
  action.set_operating_system(input.value("operatingSystem", ""));
  action.set_deployment(DeploymentOf(*settings));
  RETURN_IF_ERROR(ReadActionMembers("", input, &action));
  KeepNotes(input,
            {"sourceServerID", "launchConfigurationTemplateID", "accountID", "actionID", "order",
             "active", "operatingSystem", "timeoutSeconds", "mustSucceedForCutover", "parameters"},
            action.mutable_notes());
  if (const PostLaunchAction* before = FindAction(id, *settings)) {
    action.set_transport(before->transport());
    RETURN_IF_ERROR(RemoveAction(id, settings));
  }
  *settings->add_post_launch_actions() = std::move(action);
  return absl::OkStatus();
}

absl::Status RemoveAction(const std::string& id, LaunchSettings* settings) {
  auto& actions = *settings->mutable_post_launch_actions();
  const auto gone =
      std::remove_if(actions.begin(), actions.end(),
                     [&id](const PostLaunchAction& action) { return action.action_id() == id; });
  if (gone == actions.end()) {
    return absl::NotFoundError(absl::StrCat("actionID: there is no action \"", id, "\""));
  }
  actions.erase(gone, actions.end());
  return absl::OkStatus();
}

json ActionJson(const PostLaunchAction& action, const Shape& shape) {
  json out = {{"actionID", action.action_id()},
              {"order", action.order()},
              {"active", action.active()},
              {"operatingSystem", action.operating_system()}};
  ShowActionMembers(action, &out);
  ShowNotes(action.notes(), &out);
  if (!out.contains("actionName")) out["actionName"] = action.action_id();
  return Fitting(shape, out);
}

}  // namespace godwit::gateway::mgn
