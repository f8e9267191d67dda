// Rights of files on NTFS. A file that is written through ntfs-3g belongs to everyone; the registry
// and scripts that run as SYSTEM must not.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "services/conversion/converter/guest_root.h"

namespace godwit::convert::windows {

// A security descriptor: SYSTEM and administrators may do everything, others read and run when
// `readable`; what is made in a folder gets the same.
std::string AdministratorsOnly(bool readable);

// Gives every file that was written to `root` the rights of the one before it, new ones and the
// folders made for them those above (scripts of the first boot are not readable). Nothing happens
// on other file systems. `made_drivers_folder`: there was no folder "Drivers" in the system root.
absl::Status SetRights(const GuestRoot& root, const std::string& system_root,
                       bool made_drivers_folder);

}  // namespace godwit::convert::windows
