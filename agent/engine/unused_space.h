// Blocks of a disk whose content means nothing: free space of mounted ext4 and XFS file systems,
// and swap. They need not travel.
//
// Only the live map of a mounted file system is asked (never bitmaps on the disk), and what is
// returned is safe under this order, which the caller keeps: change tracking runs; marks were taken
// before the call; the next marks are taken after the blocks were left out. A block that is
// allocated later is marked when it is written. A block that was freed shortly before might still
// belong to a file in a crash image: so every file system is synced here, which commits the
// deletion before any later point.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/engine/freezer.h"

namespace godwit::agent {

struct BlockRun {
  std::uint64_t first = 0, count = 0;
};

// Whole 64 KiB blocks of the disk at `path`. `mounted`: the writable file systems on it and its
// partitions; `swaps`: the text of /proc/swaps. What cannot be asked is in use.
std::vector<BlockRun> UnusedBlocks(const std::string& path,
                                   const std::vector<MountedFileSystem>& mounted,
                                   const std::string& swaps);

}  // namespace godwit::agent
