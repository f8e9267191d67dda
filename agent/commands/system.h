// What install and uninstall do to the machine.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace godwit::agent {

// Runs systemctl; FAILED_PRECONDITION with what it printed.
absl::Status Systemctl(const std::vector<std::string>& arguments);
bool HasSystemd();
// Copies this program to kBinary, writes the unit and the hook folders.
absl::Status PlaceProgram();
// Removes unit, program, state, empty hook folders and pins, in this order; what is missing is
// fine. The service must not run (or be the caller).
absl::Status RemoveProgram();

}  // namespace godwit::agent
