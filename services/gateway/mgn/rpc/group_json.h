// Applications and waves as the MGN API shows them.
#pragma once

#include "godwit/registry/v1/fleet_service.pb.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/names.h"

namespace godwit::gateway::mgn {

nlohmann::json GroupJson(const registry::v1::Application& application, const Place& place);
nlohmann::json GroupJson(const registry::v1::Wave& wave, const Place& place);

}  // namespace godwit::gateway::mgn
