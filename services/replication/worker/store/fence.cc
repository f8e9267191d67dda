#include "services/replication/worker/store/fence.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::store {

std::string GenerationFolder(const std::string& group, std::int64_t generation) {
  return absl::StrCat(group, "/g", generation);
}

std::string ManifestPath(const std::string& group, std::int64_t generation) {
  return GenerationFolder(group, generation) + "/manifest.json";
}

absl::StatusOr<std::vector<std::int64_t>> Generations(const std::string& group) {
  std::vector<std::int64_t> generations;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(group, error)) {
    long long generation = 0;
    int length = 0;
    const std::string name = entry.path().filename().string();
    if (std::sscanf(name.c_str(), "g%lld%n", &generation, &length) == 1 &&
        length == static_cast<int>(name.size())) {
      generations.push_back(generation);
    }
  }
  if (error) return absl::InternalError(absl::StrCat(group, ": ", error.message()));
  std::sort(generations.begin(), generations.end());
  return generations;
}

absl::Status ClaimGeneration(const std::string& group, std::int64_t generation) {
  RETURN_IF_ERROR(CheckFence(group, generation));
  RETURN_IF_ERROR(MakeDirs(GenerationFolder(group, generation), 0750));
  RETURN_IF_ERROR(SyncDir(group));
  return CheckFence(group, generation);
}

absl::Status CheckFence(const std::string& group, std::int64_t generation) {
  ASSIGN_OR_RETURN(const std::vector<std::int64_t> generations, Generations(group));
  const std::int64_t highest = generations.empty() ? 0 : generations.back();
  if (highest <= generation) return absl::OkStatus();
  return absl::AbortedError(
      absl::StrFormat("lease generation %d is stale: %d is newer", generation, highest));
}

}  // namespace godwit::store
