// Tools of the hypervisor that a guest leaves: their services are switched off (nothing is
// uninstalled, and what they were configured with stays), and what they forbade the kernel is
// allowed again where the target needs it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/conversion/converter/finding.h"
#include "services/conversion/converter/guest_root.h"

namespace godwit::convert {

// A file of /etc/modprobe.d in which lines that keep one of `modules` from being loaded ("blacklist
// NAME", "install NAME COMMAND") are comments: modprobe.d(5).
std::string AllowModules(const std::string& text, const std::vector<std::string>& modules);

// True for a file that AllowModules changed before.
bool WasAllowed(const std::string& text);

// `stays`: the hypervisor of the target, whose own tools are left alone (a profile's word;
// "kvm" has none here, "": none stay). Names of what was switched off are added to *found, and a
// finding for each.
absl::Status ConvertGuestTools(GuestRoot& root, const std::string& stays,
                               std::vector<std::string>* found, Findings* findings);

// AllowModules for the target's drivers in every file of /etc/modprobe.d and /etc/modprobe.conf.
absl::Status ConvertBlacklists(GuestRoot& root, const std::vector<std::string>& modules,
                               Findings* findings);

// The target's helpers, where the image has them: qemu-guest-agent is started, and cloud-init does
// not wait for a cloud (it keeps network, host name and host keys as they are).
absl::Status ConvertGuestAgents(GuestRoot& root, Findings* findings);

}  // namespace godwit::convert
