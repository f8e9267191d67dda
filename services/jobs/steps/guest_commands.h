// Commands in a launched machine, run by its QEMU guest agent. What comes back is the guest's:
// bounded, never trusted.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/jobs/targets/target.h"

namespace godwit::jobs {

struct GuestCommand {
  std::string command;  // for /bin/sh, or cmd.exe on Windows
  std::map<std::string, std::string> environment;
  bool windows = false;
};
struct GuestResult {
  int exit_code = -1;
  std::string output;  // standard output, then standard error; at most 64 KiB
};

// OK: an agent answers.
absl::Status PingAgent(Target& target, const std::string& machine_id);
// Runs it to its end. DEADLINE_EXCEEDED: it was killed after `timeout`. `check` is asked several
// times a second; its error is given back (and the command killed).
absl::StatusOr<GuestResult> RunInGuest(Target& target, const std::string& machine_id,
                                       const GuestCommand& command, absl::Duration timeout,
                                       const std::function<absl::Status()>& check);
// Whether the guest has an address of its own on any network; nothing when no agent says.
std::optional<bool> GuestHasAddress(Target& target, const std::string& machine_id);

}  // namespace godwit::jobs
