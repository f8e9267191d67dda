// The structure postLaunchActions of the MGN API: where actions run, and the documents that are run
// before the custom actions. Pure but for the documents; thread-safe.
#pragma once

#include "absl/status/status.h"
#include "godwit/jobs/v1/launch.pb.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/rpc/documents.h"

namespace godwit::gateway::mgn {

// Changes `settings` as the structure says. The deployment is that of all actions, also of later
// ones. Documents replace the documents of before, in orders below those of custom actions; other
// actions stay. INVALID_ARGUMENT names the member.
absl::Status ReadPostLaunchActions(const nlohmann::json& input, const Documents& documents,
                                   jobs::v1::LaunchSettings* settings);
nlohmann::json PostLaunchActionsJson(const jobs::v1::LaunchSettings& settings);
// What a new action gets.
jobs::v1::PostLaunchAction::Deployment DeploymentOf(const jobs::v1::LaunchSettings& settings);

}  // namespace godwit::gateway::mgn
