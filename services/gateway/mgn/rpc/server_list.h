// DescribeSourceServers: filters and pages.
#pragma once

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/rpc/call.h"

namespace godwit::gateway::mgn {

// Without the filter isArchived archived servers are listed as well. A page may hold fewer servers
// than asked for, even none, while there is a next one: what the registry cannot filter is filtered
// here, at most 10 of its pages at a time.
absl::StatusOr<nlohmann::json> DescribeSourceServers(const Call& call, const nlohmann::json& input);

}  // namespace godwit::gateway::mgn
