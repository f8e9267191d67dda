// Change tracking by the block layer's trace events, for kernels without the programs that the
// eBPF tracker needs (Linux 3.10 and later). Works under lockdown=integrity.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/engine/tracker.h"
#include "agent/tracker/ebpf_tracker.h"

namespace godwit::agent {

// A trace instance of its own (instances/godwit-{disk id}) tells every completed request of the
// disk; a thread reads it all the time. Events that found the buffer full are counted by the
// kernel, and then the whole disk is compared. Nothing outlives the agent. `reason`: why nothing
// better runs here. UNIMPLEMENTED: the kernel cannot do it.
absl::StatusOr<std::unique_ptr<ChangeTracker>> StartTracefsTracker(const TrackedDevice& device,
                                                                   const std::string& reason);

// Sectors of 512 bytes.
struct TracedRange {
  std::uint64_t sector = 0, count = 0;
  bool operator==(const TracedRange&) const = default;
};
// The range that a line of block_rq_complete tells of; nullopt: a read, a flush, or no such line.
std::optional<TracedRange> ParseCompletion(absl::string_view line);

}  // namespace godwit::agent
