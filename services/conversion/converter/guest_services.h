// Services of a guest, whatever starts them: systemd, SysV init, upstart or OpenRC. A service is
// told by the names that distributions give it; names that a guest does not have are passed over.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/guest_root.h"

namespace godwit::convert {

// "systemd", "upstart", "openrc", "sysv"; "" when none is recognised.
std::string FindInitSystem(const GuestRoot& root);

// An upstart job whose "start on" stanza is a comment: init(5), "start on EVENTS", which may go on
// over lines in brackets. The job can still be started by hand.
std::string DisableUpstartJob(const std::string& text);

// The service is not started any more: its unit is masked, its start links are removed, its job
// waits for a hand. True when something of that name was there, also when it was off before.
absl::StatusOr<bool> DisableService(GuestRoot& root, const std::string& step,
                                    const std::string& name, const std::string& why);

// Starts `name` at boot on systemd (linked into the wants of `wanted_by`) and OpenRC (runlevel
// "default"). True when it is there and now starts. Masked units and those already linked
// somewhere stay what they are.
absl::StatusOr<bool> EnableService(GuestRoot& root, const std::string& step,
                                   const std::string& name, const std::string& wanted_by,
                                   const std::string& why);

}  // namespace godwit::convert
