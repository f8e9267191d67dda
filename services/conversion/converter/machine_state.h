// What a system remembers about the machine it ran on: caches of devices, and SELinux labels, which
// a file that was written outside of the system lacks.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "services/conversion/converter/finding.h"
#include "services/conversion/converter/guest_root.h"

namespace godwit::convert {

// "enforcing", "permissive" or "disabled" from /etc/selinux/config; "" without one.
std::string FindSelinux(const GuestRoot& root);

// A system with SELinux labels all its files at the next boot: /.autorelabel, selinux(8).
absl::Status ConvertSelinux(GuestRoot& root, Findings* findings);

// Lists of devices that are made anew when they are missing: those of blkid and LVM, and GRUB's map
// of disks.
absl::Status RemoveDeviceCaches(GuestRoot& root);

}  // namespace godwit::convert
