// Change tracking by eBPF programs at the end of requests, or of bios where a device has no
// requests, with their maps pinned in bpffs: it goes on while the agent is away. Facts it rests on:
// docs/change-tracking.md.
#pragma once

#include <memory>
#include <optional>
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

// What tells that a write has ended.
enum class CompletionKind {
  kRequests,  // block_rq_complete: devices with request queues
  kBios       // block_bio_complete: device-mapper, md, zram, pmem
};

// UNIMPLEMENTED with the reason when this kernel cannot do it. Which kind the device is of is found
// out by reading from it once: `kind` alone is tried when it is given (for tests).
absl::StatusOr<std::unique_ptr<ChangeTracker>> StartEbpfTracker(
    const TrackedDevice& device, std::optional<CompletionKind> kind = std::nullopt);

// Removes the pins of all disks (and with them the programs). For uninstall when no tracker object
// exists.
absl::Status RemoveAllPins();

}  // namespace godwit::agent
