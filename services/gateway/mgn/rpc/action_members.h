// The members that all forms of post-launch actions of the MGN API share. Pure; thread-safe.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "godwit/jobs/v1/launch.pb.h"
#include "nlohmann/json.hpp"

namespace godwit::gateway::mgn {

// timeoutSeconds, mustSucceedForCutover and parameters of `input`. `prefix` goes before the names
// of members in errors. INVALID_ARGUMENT: more than actions have here.
absl::Status ReadActionMembers(const std::string& prefix, const nlohmann::json& input,
                               jobs::v1::PostLaunchAction* action);
void ShowActionMembers(const jobs::v1::PostLaunchAction& action, nlohmann::json* out);

}  // namespace godwit::gateway::mgn
