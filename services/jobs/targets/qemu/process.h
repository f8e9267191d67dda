// Processes on this host that outlive their parent: machines. Short helpers: base/command.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/base/command.h"

namespace godwit::jobs {

struct DetachedOptions {
  std::vector<std::string> argv;
  std::string work_dir;            // the process starts here
  std::string log_path;            // its output is appended here
  std::string pid_path;            // the process writes its id here before it becomes argv[0]
  std::vector<int> inherited_fds;  // descriptors that it keeps, for example a lock
};
struct Spawned {
  int pid = 0;
  std::uint64_t start_time = 0;  // as of ProcessStartTime
};
// Starts a process in a session of its own, with default signal handling, that lives on when this
// process ends. It stays our child as long as we live: once it has ended, somebody must ask
// ProcessAlive, which reaps it.
absl::StatusOr<Spawned> SpawnDetached(const DetachedOptions& options);

// Start time of a process in clock ticks since boot: with the id it names a process for good.
// NOT_FOUND: no such process (or only its zombie).
absl::StatusOr<std::uint64_t> ProcessStartTime(int pid);
// Whether this very process runs. Reaps it when it is our dead child.
bool ProcessAlive(int pid, std::uint64_t start_time);
// Whether the command line of the process has `argument` as one whole argument.
bool ProcessHasArgument(int pid, const std::string& argument);
// SIGKILL to exactly this process, then waits until it is gone. DEADLINE_EXCEEDED: it is not.
absl::Status KillProcess(int pid, std::uint64_t start_time, absl::Duration timeout);

}  // namespace godwit::jobs
