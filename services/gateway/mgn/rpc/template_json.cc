#include "services/gateway/mgn/rpc/template_json.h"

#include "services/common/base/status_macros.h"
#include "services/gateway/mgn/model/settings_shapes.h"
#include "services/gateway/mgn/rpc/launch_settings_json.h"
#include "services/gateway/mgn/rpc/notes.h"
#include "services/gateway/mgn/rpc/replication_settings_json.h"

namespace godwit::gateway::mgn {

namespace pb = ::godwit::registry::v1;
using nlohmann::json;

std::string TemplateIdMember(Half half) {
  return half == Half::kReplication ? "replicationConfigurationTemplateID"
                                    : "launchConfigurationTemplateID";
}

absl::Status ReadTemplate(Half half, const json& input, const Documents& documents,
                          pb::SettingsTemplate* out) {
  if (half == Half::kLaunch) return ReadLaunch(input, documents, out->mutable_launch());
  return ReadReplication(input, out->mutable_replication());
}

google::protobuf::Map<std::string, std::string>* TemplateTags(Half half,
                                                              pb::SettingsTemplate* one) {
  return half == Half::kReplication ? one->mutable_replication_tags() : one->mutable_launch_tags();
}

absl::Status ReadTemplateTags(Half half, const json& tags, pb::SettingsTemplate* out) {
  RETURN_IF_ERROR(CheckTags("tags", tags));
  for (const auto& [key, value] : tags.items()) {
    (*TemplateTags(half, out))[key] = value.get<std::string>();
  }
  return absl::OkStatus();
}

json TemplateJson(Half half, const pb::SettingsTemplate& one, const Place& place) {
  json out = half == Half::kReplication
                 ? ReplicationJson(one.replication(), kReplicationConfigurationTemplate)
                 : LaunchJson(one.launch(), kLaunchConfigurationTemplate);
  const std::string id = TemplateId(half, one.name());
  out[TemplateIdMember(half)] = id;
  out["arn"] = Arn(place, TemplateArnType(half), id);
  out["tags"] = TagsJson(half == Half::kReplication ? one.replication_tags() : one.launch_tags());
  return out;
}

}  // namespace godwit::gateway::mgn
