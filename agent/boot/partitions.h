// Partitions of a disk by its own tables: MBR with extended partitions, GPT.
#pragma once

#include <vector>

#include "agent/boot/picker.h"

namespace godwit::agent {

struct Partition {
  std::uint64_t first = 0, size = 0;  // bytes
};

// Those that lie on the disk, extended ones among them; none where there is no table. Fails only
// when the disk cannot be read or a limit of `picker` is reached.
absl::StatusOr<std::vector<Partition>> FindPartitions(Picker& picker, std::uint32_t disk);

}  // namespace godwit::agent
