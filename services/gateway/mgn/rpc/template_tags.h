// Tags of templates themselves, by ARN.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/rpc/call.h"
#include "services/gateway/mgn/rpc/template_json.h"

namespace godwit::gateway::mgn {

// Which half a type in an ARN names; nothing when it is no template's.
std::optional<Half> HalfOfArnType(absl::string_view type);

absl::StatusOr<nlohmann::json> ListTemplateTags(const Call& call, Half half, const std::string& id);
// Somebody else's change in between is kept.
absl::Status AddTemplateTags(const Call& call, Half half, const std::string& id,
                             const nlohmann::json& tags);
absl::Status RemoveTemplateTags(const Call& call, Half half, const std::string& id,
                                const nlohmann::json& keys);

}  // namespace godwit::gateway::mgn
