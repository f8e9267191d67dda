// The fence of a group: each lease generation has a folder of its own, and the highest one owns the
// group. A worker writes only inside of the folder of its generation. Whoever opens the group makes
// its folder first (from then on no check of an older writer succeeds), takes the newest manifest
// and links the files that it names into its own folder. What an older writer does afterwards, it
// does to files that nobody reads. No lock is involved, so a writer that was stopped at the worst
// moment holds nobody up. docs/decisions/0002-resume-and-fencing.md has the argument.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace godwit::store {

// <group>/g{generation}
std::string GenerationFolder(const std::string& group, std::int64_t generation);
// The manifest of a generation.
std::string ManifestPath(const std::string& group, std::int64_t generation);

// All generations that ever opened the group and are not removed yet, ascending.
absl::StatusOr<std::vector<std::int64_t>> Generations(const std::string& group);

// Makes the generation's folder, durably. ABORTED when there is a higher one.
absl::Status ClaimGeneration(const std::string& group, std::int64_t generation);

// ABORTED when a higher generation than `generation` opened the group. OK means: whoever opens it
// later finds everything that was durable before this call.
absl::Status CheckFence(const std::string& group, std::int64_t generation);

}  // namespace godwit::store
