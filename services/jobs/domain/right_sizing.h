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

// Fixed values of the settings win. BASIC (and IN_USE, as long as no use was measured) takes the
// source's cores and its memory rounded up to 256 MiB (what the source's kernel reports is less
// than what it was given). NONE, or an unknown source, gives 1 CPU and 1 GiB where nothing is
// fixed.
MachineSize ChooseSize(const LaunchSettings& settings, int source_cores,
                       std::int64_t source_memory_bytes);

// Why ChooseSize gives what it gives, for people.
std::string SizeReason(const LaunchSettings& settings, int source_cores,
                       std::int64_t source_memory_bytes);

}  // namespace godwit::jobs
