// IPv4 addresses that the launch asks for, set in the kinds of configuration that the guest has.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/conversion/converter/finding.h"
#include "services/conversion/converter/network.h"

namespace godwit::convert {

// For every card with a static address or reset_to_dhcp: edits what configures it, or configures it
// anew where nothing does. *kinds gets what the guest's network is configured with ("netplan",
// "networkmanager", "ifcfg", "networkd", "ifupdown", "cloud-init"). Runs behind ConvertNetwork, so
// that hardware addresses are the new ones. Finding: ADDRESS_NOT_SET.
absl::Status ConvertAddresses(GuestRoot& root, const std::vector<Nic>& nics,
                              std::vector<std::string>* kinds, Findings* findings);

}  // namespace godwit::convert
