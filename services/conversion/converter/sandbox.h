// Runs a program of a guest, inside of the appliance, where it can do little else than its work: in
// namespaces of its own (processes, mounts, network, IPC, host name), with the guest's tree as its
// root, no devices beyond null, zero, random, urandom and tty, /proc and /sys read-only, /tmp and
// /run in memory, and without the rights to mount, load modules or set clocks.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/conversion/converter/guest_root.h"

namespace godwit::convert {

struct GuestRun {
  int exit_code = 0;       // 128 + the signal that ended it
  bool timed_out = false;  // it was ended at its limit, with all that it had started
  std::string output;      // the last 64 KiB of both outputs
  absl::Duration took;
};

// `command[0]` is an absolute path in the guest. Nothing that it started is left when this returns.
// Needs root. INTERNAL: the sandbox could not be made.
absl::StatusOr<GuestRun> RunInGuest(const GuestRoot& root, const std::vector<std::string>& command,
                                    absl::Duration limit);

}  // namespace godwit::convert
