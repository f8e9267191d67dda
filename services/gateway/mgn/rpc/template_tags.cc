#include "services/gateway/mgn/rpc/template_tags.h"

#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/rpc/changes.h"

namespace godwit::gateway::mgn {
namespace {

namespace pb = ::godwit::registry::v1;
using nlohmann::json;

absl::Status Change(const Call& call, Half half, const std::string& id,
                    const std::function<absl::Status(pb::SettingsTemplate*)>& change) {
  return ChangeTemplate(call, half, id,
                        {half == Half::kReplication ? "replication_tags" : "launch_tags"}, change)
      .status();
}

}  // namespace

std::optional<Half> HalfOfArnType(absl::string_view type) {
  for (const Half half : {Half::kReplication, Half::kLaunch}) {
    if (TemplateArnType(half) == type) return half;
  }
  return std::nullopt;
}

absl::StatusOr<json> ListTemplateTags(const Call& call, Half half, const std::string& id) {
  ASSIGN_OR_RETURN(pb::SettingsTemplate found, FindTemplate(call, half, id));
  json tags = json::object();
  for (const auto& [key, value] : *TemplateTags(half, &found)) tags[key] = value;
  return json{{"tags", tags}};
}

absl::Status AddTemplateTags(const Call& call, Half half, const std::string& id, const json& tags) {
  return Change(call, half, id,
                [&](pb::SettingsTemplate* one) { return ReadTemplateTags(half, tags, one); });
}

absl::Status RemoveTemplateTags(const Call& call, Half half, const std::string& id,
                                const json& keys) {
  return Change(call, half, id, [&](pb::SettingsTemplate* one) {
    for (const json& key : keys) TemplateTags(half, one)->erase(key.get<std::string>());
    return absl::OkStatus();
  });
}

}  // namespace godwit::gateway::mgn
