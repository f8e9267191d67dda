// What a hypervisor left in a guest that moves away from it: services that are switched off,
// filters that would break the new machine's devices. Drivers of disks and cards stay: they wait
// for hardware, and the image may be launched on such a machine again.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/conversion/converter/windows/hive.h"

namespace godwit::convert::windows {

// Names of installed programs and services of hypervisors, sorted.
std::vector<std::string> FindHypervisorTools(const Hive& system, const Hive& software,
                                             const std::string& control_set);

// Drivers of paravirtual devices that are there, sorted.
std::vector<std::string> FindParavirtualDrivers(const Hive& system, const std::string& control_set);

// Switches services off (Start=4), except those of the hypervisor that the machine will run on (a
// profile's word; "": all). Filters of devices that belong to them are taken out. *filters: class
// filters that are left, "class: name", of which nothing is known.
absl::Status DisableOldPlatform(Hive& system, const std::string& control_set,
                                const std::string& hypervisor, std::vector<std::string>* filters);

}  // namespace godwit::convert::windows
