#include "services/gateway/mgn/rpc/action_members.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/gateway/mgn/model/settings_shapes.h"
#include "services/gateway/mgn/rpc/notes.h"
#include "services/gateway/mgn/validate.h"

namespace godwit::gateway::mgn {
namespace {

using jobs::v1::PostLaunchAction;
using nlohmann::json;

constexpr std::int64_t kMostSeconds = 24 * 60 * 60;
constexpr std::int64_t kDefaultSeconds = 60;
constexpr std::size_t kMostName = 64;
constexpr std::size_t kMostValue = 1024;
constexpr char kParameters[] = "parameters";

// A parameter of MGN names entries of a parameter store. Here the script gets the names, in an
// environment variable, with blanks between them: entries have none in theirs.
absl::Status ReadParameters(const std::string& field, const json& parameters,
                            PostLaunchAction* action) {
  for (const auto& [name, entries] : parameters.items()) {
    if (name.size() > kMostName || absl::ascii_isdigit(static_cast<unsigned char>(name[0]))) {
      return rpc::FieldError(
          field, absl::StrCat("\"", name.substr(0, kMostName),
                              "\": names become environment variables; they have at most ",
                              kMostName, " characters and begin with a letter"));
    }
    std::vector<std::string> names;
    for (const json& entry : entries) names.push_back(entry["parameterName"]);
    const std::string value = absl::StrJoin(names, " ");
    if (value.size() > kMostValue) {
      return rpc::FieldError(absl::StrCat(field, ".", name),
                             absl::StrCat("its names have ", value.size(),
                                          " characters together; at most ", kMostValue));
    }
    (*action->mutable_parameters())[name] = value;
  }
  return absl::OkStatus();
}

// From what runs; the types of entries are notes.
json ParametersJson(const PostLaunchAction& action) {
  const json kept = NoteOf(action.notes(), kParameters);
  json out = json::object();
  for (const auto& [name, value] : action.parameters()) {
    const std::vector<std::string> names = absl::StrSplit(value, ' ', absl::SkipEmpty());
    json entries = json::array();
    for (std::size_t i = 0; i < names.size(); ++i) {
      std::string type = "STRING";
      if (kept.is_object() && kept.contains(name) && kept[name].is_array() &&
          i < kept[name].size() && kept[name][i].is_object()) {
        const json& told = kept[name][i];
        if (told.value("parameterName", "") == names[i]) type = told.value("parameterType", type);
      }
      entries.push_back({{"parameterType", type}, {"parameterName", names[i]}});
    }
    // Values that somebody set by gRPC need not be names.
    if (Faults(kList<kSsmParameterStoreParameter, 0, 10>, entries).empty()) out[name] = entries;
  }
  return out;
}

}  // namespace

absl::Status ReadActionMembers(const std::string& prefix, const json& input,
                               PostLaunchAction* action) {
  if (input.contains("timeoutSeconds")) {
    const std::int64_t seconds = input["timeoutSeconds"];
    if (seconds > kMostSeconds) {
      return rpc::FieldError(prefix + "timeoutSeconds",
                             absl::StrCat("is ", seconds, "; at most ", kMostSeconds));
    }
    action->mutable_timeout()->set_seconds(seconds);
  }
  action->set_must_succeed_for_cutover(input.value("mustSucceedForCutover", false));
  if (!input.contains(kParameters)) return absl::OkStatus();
  KeepNote(kParameters, input[kParameters], action->mutable_notes());
  return ReadParameters(prefix + kParameters, input[kParameters], action);
}

void ShowActionMembers(const PostLaunchAction& action, json* out) {
  (*out)["timeoutSeconds"] = action.has_timeout()
                                 ? std::max<std::int64_t>(1, action.timeout().seconds())
                                 : kDefaultSeconds;
  (*out)["mustSucceedForCutover"] = action.must_succeed_for_cutover();
  (*out)[kParameters] = ParametersJson(action);
}

}  // namespace godwit::gateway::mgn
