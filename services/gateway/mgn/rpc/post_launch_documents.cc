#include "services/gateway/mgn/rpc/post_launch_documents.h"

#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/gateway/mgn/model/settings_shapes.h"
#include "services/gateway/mgn/rpc/action_json.h"
#include "services/gateway/mgn/rpc/action_members.h"
#include "services/gateway/mgn/rpc/notes.h"
#include "services/gateway/mgn/validate.h"

namespace godwit::gateway::mgn {
namespace {

using jobs::v1::LaunchSettings;
using jobs::v1::PostLaunchAction;
using nlohmann::json;

constexpr char kMember[] = "postLaunchActions";
constexpr char kDocument[] = "ssmDocumentName";

bool IsDocument(const PostLaunchAction& action) { return action.notes().contains(kDocument); }

// The first number above `after` that no action has.
int FreeOrder(const LaunchSettings& settings, int after) {
  std::set<int> taken;
  for (const PostLaunchAction& action : settings.post_launch_actions()) {
    taken.insert(action.order());
  }
  while (taken.count(++after) != 0) continue;
  return after;
}

std::string FreeId(const LaunchSettings& settings) {
  for (int i = 1;; ++i) {
    std::string id = absl::StrCat("document-", i);
    if (FindAction(id, settings) == nullptr) return id;
  }
}

absl::Status AddDocument(const std::string& field, const json& input, const Documents& documents,
                         int* order, LaunchSettings* settings) {
  PostLaunchAction action;
  action.set_action_id(FreeId(*settings));
  *order = FreeOrder(*settings, *order);
  if (*order >= kFirstCustomOrder) {
    return rpc::FieldError(field, "other actions have all orders below 1001");
  }
  action.set_order(*order);
  ASSIGN_OR_RETURN(*action.mutable_command(),
                   documents.Read(absl::StrCat(field, ".", kDocument),
                                  input[kDocument].get_ref<const std::string&>(), /*version=*/""));
  action.set_active(true);
  action.set_deployment(DeploymentOf(*settings));
  RETURN_IF_ERROR(ReadActionMembers(field + ".", input, &action));
  KeepNotes(input, {"timeoutSeconds", "mustSucceedForCutover", "parameters"},
            action.mutable_notes());
  *settings->add_post_launch_actions() = std::move(action);
  return absl::OkStatus();
}

absl::Status ReplaceDocuments(const json& list, const Documents& documents,
                              LaunchSettings* settings) {
  auto& actions = *settings->mutable_post_launch_actions();
  actions.erase(std::remove_if(actions.begin(), actions.end(), IsDocument), actions.end());
  int order = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    RETURN_IF_ERROR(AddDocument(absl::StrCat(kMember, ".ssmDocuments[", i, "]"), list[i], documents,
                                &order, settings));
  }
  return absl::OkStatus();
}

PostLaunchAction::Deployment Effective(PostLaunchAction::Deployment deployment) {
  return deployment == PostLaunchAction::DEPLOYMENT_UNSPECIFIED ? PostLaunchAction::TEST_AND_CUTOVER
                                                                : deployment;
}

// Of the actions, when they agree; what was told last is shown otherwise.
PostLaunchAction::Deployment ShownDeployment(const LaunchSettings& settings) {
  const auto& actions = settings.post_launch_actions();
  if (actions.empty()) return Effective(DeploymentOf(settings));
  const auto first = Effective(actions[0].deployment());
  const bool same = std::all_of(actions.begin(), actions.end(), [first](const auto& action) {
    return Effective(action.deployment()) == first;
  });
  return same ? first : Effective(DeploymentOf(settings));
}

json DocumentsJson(const LaunchSettings& settings) {
  std::vector<const PostLaunchAction*> actions;
  for (const PostLaunchAction& action : settings.post_launch_actions()) {
    if (IsDocument(action)) actions.push_back(&action);
  }
  std::sort(actions.begin(), actions.end(),
            [](const auto* a, const auto* b) { return a->order() < b->order(); });
  json out = json::array();
  for (const PostLaunchAction* action : actions) {
    json document = json::object();
    ShowActionMembers(*action, &document);
    ShowNotes(action->notes(), &document);
    document = Fitting(kSsmDocument, document);
    if (Faults(kSsmDocument, document).empty()) out.push_back(std::move(document));
  }
  return out;
}

}  // namespace

PostLaunchAction::Deployment DeploymentOf(const LaunchSettings& settings) {
  const json kept = NoteOf(settings.notes(), kMember);
  PostLaunchAction::Deployment deployment = PostLaunchAction::DEPLOYMENT_UNSPECIFIED;
  if (kept.is_object() && kept.contains("deployment") && kept["deployment"].is_string()) {
    PostLaunchAction::Deployment_Parse(kept["deployment"].get<std::string>(), &deployment);
  }
  return deployment;
}

absl::Status ReadPostLaunchActions(const json& input, const Documents& documents,
                                   LaunchSettings* settings) {
  if (!input.contains(kMember)) return absl::OkStatus();
  json told = input[kMember];
  const json list = told.value("ssmDocuments", json());
  told.erase("ssmDocuments");
  json kept = NoteOf(settings->notes(), kMember);
  if (!kept.is_object()) kept = json::object();
  kept.update(told);
  KeepNote(kMember, kept, settings->mutable_notes());
  if (told.contains("deployment")) {
    for (PostLaunchAction& action : *settings->mutable_post_launch_actions()) {
      action.set_deployment(DeploymentOf(*settings));
    }
  }
  return list.is_null() ? absl::OkStatus() : ReplaceDocuments(list, documents, settings);
}

json PostLaunchActionsJson(const LaunchSettings& settings) {
  json out = NoteOf(settings.notes(), kMember);
  if (!out.is_object()) out = json::object();
  out["deployment"] = PostLaunchAction::Deployment_Name(ShownDeployment(settings));
  out["ssmDocuments"] = DocumentsJson(settings);
  return Fitting(kPostLaunchActions, out);
}

}  // namespace godwit::gateway::mgn
