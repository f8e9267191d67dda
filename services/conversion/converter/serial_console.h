// A login on the first serial port, where the guest does not start one by itself: systemd and the
// upstart of Red Hat 6 do when the kernel has a console there.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "services/conversion/converter/guest_root.h"

namespace godwit::convert {

// inittab(5) of SysV init, and that of busybox (Alpine), whose first field is the terminal: an
// entry for ttyS0 that is a comment becomes one; else one with `getty` is added after the last.
std::string AddSerialGetty(const std::string& inittab, const std::string& getty, bool busybox);

// securetty(5): root may log in there.
std::string AddSecureTerminal(const std::string& securetty);

absl::Status ConvertSerialConsole(GuestRoot& root);

}  // namespace godwit::convert
