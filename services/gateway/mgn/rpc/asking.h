// The way from the table of operations to the services, without their wire format.
#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/names.h"
#include "services/gateway/mgn/rpc/operation.h"

namespace godwit::gateway::mgn {

struct Services;

// UNIMPLEMENTED: nobody has done this operation yet.
absl::StatusOr<nlohmann::json> RunOperation(const Services& services, const Operation& operation,
                                            Place place, Asker asker, absl::Duration time,
                                            const nlohmann::json& input);

}  // namespace godwit::gateway::mgn
