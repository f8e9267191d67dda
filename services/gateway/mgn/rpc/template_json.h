// A half of a template as the MGN API sees it. Pure but for the documents; thread-safe.
#pragma once

#include <google/protobuf/map.h>

#include <string>

#include "absl/status/status.h"
#include "godwit/registry/v1/settings.pb.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/names.h"
#include "services/gateway/mgn/rpc/documents.h"
#include "services/gateway/mgn/rpc/template_ids.h"

namespace godwit::gateway::mgn {

// "replicationConfigurationTemplateID" or "launchConfigurationTemplateID".
std::string TemplateIdMember(Half half);
// Changes the half as the members of a request say. INVALID_ARGUMENT names the member.
absl::Status ReadTemplate(Half half, const nlohmann::json& input, const Documents& documents,
                          registry::v1::SettingsTemplate* out);
// The tags of the template itself: not those that new servers get.
google::protobuf::Map<std::string, std::string>* TemplateTags(Half half,
                                                              registry::v1::SettingsTemplate* one);
// Adds or replaces tags. INVALID_ARGUMENT names the member tags.
absl::Status ReadTemplateTags(Half half, const nlohmann::json& tags,
                              registry::v1::SettingsTemplate* out);

nlohmann::json TemplateJson(Half half, const registry::v1::SettingsTemplate& one,
                            const Place& place);

}  // namespace godwit::gateway::mgn
