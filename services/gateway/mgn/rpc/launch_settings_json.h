// Launch settings as the MGN API sees them, of servers and of templates. Which members have an
// effect: docs/gateway.md. Pure but for the documents; thread-safe.
#pragma once

#include "absl/status/status.h"
#include "godwit/jobs/v1/launch.pb.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/model/shape.h"
#include "services/gateway/mgn/rpc/documents.h"

namespace godwit::gateway::mgn {

// The fields of settings that ReadLaunch() changes.
inline constexpr const char* kLaunchFields[] = {
    "disposition", "right_sizing", "copy_private_ip",     "copy_tags",
    "licensing",   "boot_mode",    "post_launch_actions", "notes"};

// Changes `settings` as the members of a request say; what is not there stays. INVALID_ARGUMENT
// names the member.
absl::Status ReadLaunch(const nlohmann::json& input, const Documents& documents,
                        jobs::v1::LaunchSettings* settings);
// The members of the structure `shape`.
nlohmann::json LaunchJson(const jobs::v1::LaunchSettings& settings, const Shape& shape);

}  // namespace godwit::gateway::mgn
