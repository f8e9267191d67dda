// Post-launch actions as the MGN API sees them. Pure but for the documents; thread-safe.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "godwit/jobs/v1/launch.pb.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/model/shape.h"
#include "services/gateway/mgn/rpc/documents.h"

namespace godwit::gateway::mgn {

// MGN's custom actions have these orders; those below are documents of postLaunchActions and what
// others set by gRPC.
inline constexpr int kFirstCustomOrder = 1001;

// What a Put...Action says, in place of the action with this id or beside the others.
// INVALID_ARGUMENT names the member; FAILED_PRECONDITION: another action has this order.
absl::Status PutAction(const nlohmann::json& input, const Documents& documents,
                       jobs::v1::LaunchSettings* settings);
// NOT_FOUND: there is none.
absl::Status RemoveAction(const std::string& id, jobs::v1::LaunchSettings* settings);
const jobs::v1::PostLaunchAction* FindAction(const std::string& id,
                                             const jobs::v1::LaunchSettings& settings);
// The members of the structure `shape`.
nlohmann::json ActionJson(const jobs::v1::PostLaunchAction& action, const Shape& shape);

}  // namespace godwit::gateway::mgn
