// Change tracking by an eBPF program on block_rq_complete, with its maps pinned in bpffs: it goes
// on while the agent is away. Facts it rests on: docs/change-tracking.md.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/engine/tracker.h"

namespace godwit::agent {

struct TrackedDevice {
  std::string disk_id;  // names the pins
  int major = 0, first_minor = 0;
  std::uint64_t size_bytes = 0;
};

// Where pins live: <bpffs>/godwit/<disk id>/.
inline constexpr char kPinRoot[] = "/sys/fs/bpf/godwit";

// UNIMPLEMENTED with the reason when this kernel cannot do it.
absl::StatusOr<std::unique_ptr<ChangeTracker>> StartEbpfTracker(const TrackedDevice& device);

// Removes the pins of all disks (and with them the programs). For uninstall when no tracker object
// exists.
absl::Status RemoveAllPins();

}  // namespace godwit::agent
