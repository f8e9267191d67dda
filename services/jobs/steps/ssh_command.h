// Commands in a launched machine over SSH, by the ssh program of this host.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/jobs/steps/guest_commands.h"

namespace godwit::jobs {

struct SshOptions {
  std::string key_file;  // the operator's; empty: no SSH
  std::string user = "root";
  // Host keys that are accepted, as of ssh; empty: any. The machine is one that was just started
  // here, reached through a port of this host.
  std::string known_hosts;
  // The name that keys in known_hosts belong to: the machine has its source's. Ignored when it is
  // no host name.
  std::string host_name;
};

// Runs it on "host:port". The environment travels as assignments before the command, quoted.
// UNAVAILABLE: no SSH server lets us in. DEADLINE_EXCEEDED: the connection was ended after
// `timeout`.
absl::StatusOr<GuestResult> RunOverSsh(const SshOptions& options, const std::string& endpoint,
                                       const GuestCommand& command, absl::Duration timeout,
                                       const std::function<absl::Status()>& check);

// `text` as one word of a POSIX shell.
std::string ShellQuoted(const std::string& text);

}  // namespace godwit::jobs
