// CPU and memory of a launched machine.
#pragma once

#include <cstdint>
#include <string>

#include "services/jobs/domain/settings.h"

namespace godwit::jobs {

struct MachineSize {
  int cpu_count = 1;
  std::int64_t memory_bytes = 0;
  bool operator==(const MachineSize&) const = default;
};

// What a source used, from samples of a minute each.
struct SourceUse {
  std::int64_t sample_count = 0;
  double p95_cores = 0;  // 95 % of the samples do not exceed it
  std::int64_t peak_memory_bytes = 0;
  bool operator==(const SourceUse&) const = default;
};

// Figures of 0 are not known.
struct SourceSize {
  int core_count = 0;
  std::int64_t memory_bytes = 0;
  SourceUse use;
};

// Without as many, a use is not taken for what the machine needs.
inline constexpr std::int64_t kEnoughSamples = 10;

// Fixed values of the settings win. BASIC takes the source's cores and its memory rounded up to 256
// MiB (what the source's kernel reports is less than what it was given), at least 512 MiB. IN_USE
// takes the cores that sufficed 95 % of the time x 1.3, rounded up, and the largest use of memory x
// 1.25, rounded up to 256 MiB; at least 1 core and 512 MiB, never more than BASIC; with fewer than
// kEnoughSamples it is BASIC. NONE, or an unknown source, gives 1 CPU and 1 GiB where nothing is
// fixed.
MachineSize ChooseSize(const LaunchSettings& settings, const SourceSize& source);

// Why ChooseSize gives what it gives, for people.
std::string SizeReason(const LaunchSettings& settings, const SourceSize& source);

}  // namespace godwit::jobs
