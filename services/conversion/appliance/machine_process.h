// The process of an appliance machine.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace godwit::conversion {

struct ProcessLimits {
  std::uint64_t cpu_seconds = 0;  // of all its threads
  std::uint64_t open_files = 1024;
  std::uint64_t address_bytes = 0;  // of all its memory, touched or not; 0: no limit
  int nice = 5;                     // conversions yield to what the host does else
};

// A machine computes at most on one processor and its own threads for as long as it may run, and
// has its memory and what QEMU itself needs. A QEMU that needs more ends and says so in its log.
ProcessLimits MachineLimits(absl::Duration timeout, int memory_mib);

// The child dies with us, inherits `fds` and nothing else, and leaves no core; its own messages go
// to `log`. When we are root it is the user nobody (in the group kvm when there is one) and can
// never be another.
absl::StatusOr<pid_t> StartMachine(const std::vector<std::string>& command,
                                   const std::vector<int>& fds, const std::string& log,
                                   const ProcessLimits& limits);

}  // namespace godwit::conversion
