// What the kernel says of CPU and memory: /proc/stat and /proc/meminfo.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::agent {

// Clock ticks of all cores since the machine started.
struct CpuTimes {
  std::int64_t busy = 0;  // with what the hypervisor took away (steal): there was work to do
  std::int64_t idle = 0;  // with waiting for disks
  int core_count = 0;     // that are online
};
// INVALID_ARGUMENT: no line of all cores or none of a single one.
absl::StatusOr<CpuTimes> ParseCpuTimes(absl::string_view stat);

struct MemoryUse {
  std::int64_t total_bytes = 0;
  std::int64_t used_bytes = 0;  // total less what the kernel could give away without swapping
};
// INVALID_ARGUMENT: a figure is missing. MemAvailable is there from Linux 3.14 on; before, free
// memory and caches stand in for it.
absl::StatusOr<MemoryUse> ParseMemoryUse(absl::string_view meminfo);

// The beginning of a file under /proc, as much as `buffer` has room for.
absl::StatusOr<absl::string_view> ReadHead(const std::string& path, std::string* buffer);

}  // namespace godwit::agent
