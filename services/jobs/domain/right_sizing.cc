#include "services/jobs/domain/right_sizing.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace godwit::jobs {

MachineSize ChooseSize(const LaunchSettings& settings, int source_cores,
                       std::int64_t source_memory_bytes) {
  constexpr std::int64_t kUnit = 256ll << 20;
  MachineSize size{.cpu_count = 1, .memory_bytes = 1ll << 30};
  if (settings.right_sizing != RightSizing::kNone) {
    if (source_cores > 0) size.cpu_count = std::min(source_cores, kMostCpus);
    if (source_memory_bytes > 0) {
      const std::int64_t bounded = std::min(source_memory_bytes, kMostMemoryBytes);
      size.memory_bytes = std::max((bounded + kUnit - 1) / kUnit * kUnit, 2 * kUnit);
    }
  }
  if (settings.cpu_count > 0) size.cpu_count = settings.cpu_count;
  if (settings.memory_bytes > 0) size.memory_bytes = settings.memory_bytes;
  return size;
}

std::string SizeReason(const LaunchSettings& settings, int source_cores,
                       std::int64_t source_memory_bytes) {
  const MachineSize size = ChooseSize(settings, source_cores, source_memory_bytes);
  const bool sized = settings.right_sizing != RightSizing::kNone;
  const char* cpus = settings.cpu_count > 0 ? "as set"
                     : !sized               ? "no right-sizing"
                     : source_cores <= 0    ? "the source's are not known"
                                            : "the source's cores";
  const char* memory = settings.memory_bytes > 0  ? "as set"
                       : !sized                   ? "no right-sizing"
                       : source_memory_bytes <= 0 ? "the source's is not known"
                                                  : "the source's, rounded up to 256 MiB";
  return absl::StrCat(size.cpu_count, " CPUs (", cpus, "), ", size.memory_bytes >> 20,
                      " MiB of memory (", memory, ")");
}

}  // namespace godwit::jobs
