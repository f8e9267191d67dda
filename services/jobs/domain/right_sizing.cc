#include "services/jobs/domain/right_sizing.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace godwit::jobs {
namespace {

constexpr std::int64_t kUnit = 256ll << 20;
constexpr std::int64_t kLeast = 2 * kUnit;
constexpr double kCpuHeadRoom = 1.3, kMemoryHeadRoom = 1.25;

std::int64_t RoundUp(std::int64_t bytes) { return (bytes + kUnit - 1) / kUnit * kUnit; }

bool ByUse(const LaunchSettings& settings, const SourceUse& use) {
  return settings.right_sizing == RightSizing::kInUse && use.sample_count >= kEnoughSamples;
}

int CpusFor(const SourceUse& use, int most) {
  // Bounded before it is rounded; what is no number becomes 1.
  const double wanted = use.p95_cores * kCpuHeadRoom;
  if (!(wanted > 1)) return 1;
  return static_cast<int>(std::ceil(std::min(wanted, static_cast<double>(most))));
}

std::int64_t MemoryFor(const SourceUse& use, std::int64_t most) {
  const double wanted = static_cast<double>(use.peak_memory_bytes) * kMemoryHeadRoom;
  if (!(wanted < static_cast<double>(most))) return most;
  return std::clamp(RoundUp(std::llround(std::max(wanted, 0.0))), kLeast, std::max(most, kLeast));
}

// Of a resource that the settings do not fix. `known`: how much of it the source has.
std::string Reason(const LaunchSettings& settings, const SourceUse& use, bool known,
                   const std::string& by_use, absl::string_view by_source) {
  if (settings.right_sizing == RightSizing::kNone) return "no right-sizing";
  if (ByUse(settings, use)) return by_use;
  std::string reason = known ? std::string(by_source) : "the source's is not known";
  if (settings.right_sizing == RightSizing::kInUse) {
    absl::StrAppend(&reason, ": ", use.sample_count, " minutes of use were measured, ",
                    kEnoughSamples, " are needed");
  }
  return reason;
}

}  // namespace

MachineSize ChooseSize(const LaunchSettings& settings, const SourceSize& source) {
  MachineSize size{.cpu_count = 1, .memory_bytes = 1ll << 30};
  if (settings.right_sizing != RightSizing::kNone) {
    const bool by_use = ByUse(settings, source.use);
    int most_cpus = kMostCpus;
    std::int64_t most_memory = kMostMemoryBytes;
    if (source.core_count > 0) {
      size.cpu_count = most_cpus = std::min(source.core_count, kMostCpus);
    }
    if (source.memory_bytes > 0) {
      size.memory_bytes = most_memory =
          std::max(RoundUp(std::min(source.memory_bytes, kMostMemoryBytes)), kLeast);
    }
    if (by_use) {
      size.cpu_count = CpusFor(source.use, most_cpus);
      size.memory_bytes = MemoryFor(source.use, most_memory);
    }
  }
  if (settings.cpu_count > 0) size.cpu_count = settings.cpu_count;
  if (settings.memory_bytes > 0) size.memory_bytes = settings.memory_bytes;
  return size;
}

std::string SizeReason(const LaunchSettings& settings, const SourceSize& source) {
  const MachineSize size = ChooseSize(settings, source);
  const SourceUse& use = source.use;
  const std::string cpus =
      settings.cpu_count > 0
          ? "as set"
          : Reason(settings, use, source.core_count > 0,
                   absl::StrFormat("%.2f cores suffice 95 %% of the time, x %.2g, at most the "
                                   "source's",
                                   use.p95_cores, kCpuHeadRoom),
                   "the source's cores");
  const std::string memory =
      settings.memory_bytes > 0
          ? "as set"
          : Reason(settings, use, source.memory_bytes > 0,
                   absl::StrFormat("at most %d MiB were in use, x %.3g, rounded up to 256 MiB, at "
                                   "most the source's",
                                   use.peak_memory_bytes >> 20, kMemoryHeadRoom),
                   "the source's, rounded up to 256 MiB");
  return absl::StrCat(
      size.cpu_count, " CPUs (", cpus, "), ", size.memory_bytes >> 20, " MiB of memory (", memory,
      ")",
      ByUse(settings, use) ? absl::StrCat("; measured for ", use.sample_count, " minutes") : "");
}

}  // namespace godwit::jobs
