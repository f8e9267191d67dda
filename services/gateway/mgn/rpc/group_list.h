// ListApplications and ListWaves: filters and pages. Without the filter isArchived archived groups
// are listed as well.
#pragma once

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/rpc/call.h"

namespace godwit::gateway::mgn {

absl::StatusOr<nlohmann::json> ListApplications(const Call& call, const nlohmann::json& input);
absl::StatusOr<nlohmann::json> ListWaves(const Call& call, const nlohmann::json& input);

}  // namespace godwit::gateway::mgn
