// The present state as a plan file.
#pragma once

#include <string>

#include "cli/plan/fleet_state.h"

namespace godwit::cli {

// Waves, their applications, applications in no wave, and the settings that are set. `state` has
// the settings of all servers that are in an application. Settings that all servers of an
// application share stand with the application.
std::string ExportPlan(const FleetState& state);

}  // namespace godwit::cli
