// The fence of a group: its manifests are named by lease generation, and the highest one counts.
// Whoever opens a group writes the present manifest under its own generation first; what an older
// writer commits afterwards is a file that nobody reads. No lock is involved, so a writer that was
// stopped at the worst moment holds nobody up.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace godwit::store {

// <folder>/manifest.g{generation}.json
std::string ManifestPath(const std::string& folder, std::int64_t generation);

// The highest generation that ever opened the group; 0 when there was none.
absl::StatusOr<std::int64_t> HighestGeneration(const std::string& folder);

// ABORTED when a higher generation than `generation` opened the group.
absl::Status CheckFence(const std::string& folder, std::int64_t generation);

// Removes manifests of lower generations.
void RemoveOlderManifests(const std::string& folder, std::int64_t generation);

}  // namespace godwit::store
