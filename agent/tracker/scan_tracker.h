// Change tracking without the kernel's help: the disk is read and its blocks' digests are compared
// with those of the reading before.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/engine/tracker.h"

namespace godwit::agent {

// Reads `path` (a disk of `size_bytes`) as a whole for every exact Take, and at most once in ten
// times as long as that takes (at least `least_pause`) otherwise. 16 bytes of memory for each
// block. `reason`: why nothing better runs here. A cut has to read the whole disk while file
// systems are frozen, so points need a freeze budget for that.
absl::StatusOr<std::unique_ptr<ChangeTracker>> StartScanTracker(
    const std::string& path, std::uint64_t size_bytes, const std::string& reason,
    absl::Duration least_pause = absl::Seconds(30));

}  // namespace godwit::agent
