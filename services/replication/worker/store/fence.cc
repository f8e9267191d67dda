#include "services/replication/worker/store/fence.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/status_macros.h"

namespace godwit::store {
namespace {

absl::StatusOr<std::vector<std::int64_t>> Generations(const std::string& folder) {
  std::vector<std::int64_t> generations;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    long long generation = 0;
    int length = 0;
    const std::string name = entry.path().filename().string();
    if (std::sscanf(name.c_str(), "manifest.g%lld.json%n", &generation, &length) == 1 &&
        length == static_cast<int>(name.size())) {
      generations.push_back(generation);
    }
  }
  if (error) return absl::InternalError(absl::StrCat(folder, ": ", error.message()));
  return generations;
}

}  // namespace

std::string ManifestPath(const std::string& folder, std::int64_t generation) {
  // For the test of the test: without the fence all generations share one manifest.
  if (!GODWIT_FAILPOINT_STATUS("store.fence").ok()) generation = 1;
  return absl::StrCat(folder, "/manifest.g", generation, ".json");
}

absl::StatusOr<std::int64_t> HighestGeneration(const std::string& folder) {
  ASSIGN_OR_RETURN(const std::vector<std::int64_t> generations, Generations(folder));
  std::int64_t highest = 0;
  for (const std::int64_t generation : generations) highest = std::max(highest, generation);
  return highest;
}

absl::Status CheckFence(const std::string& folder, std::int64_t generation) {
  if (!GODWIT_FAILPOINT_STATUS("store.fence").ok()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::int64_t highest, HighestGeneration(folder));
  if (highest <= generation) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrFormat("lease generation %d is stale: %d is newer", generation, highest));
}

void RemoveOlderManifests(const std::string& folder, std::int64_t generation) {
  const absl::StatusOr<std::vector<std::int64_t>> generations = Generations(folder);
  if (!generations.ok()) return;
  for (const std::int64_t older : *generations) {
    if (older < generation) unlink(ManifestPath(folder, older).c_str());
  }
}

}  // namespace godwit::store
