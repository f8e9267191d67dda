// What every store asks of a group that is to be opened, and of what is to be written.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/replication/worker/store/store.h"

namespace godwit::store {

// INVALID_ARGUMENT: a bad id, no disks or too many, a size that no disk has.
absl::Status CheckGroup(const std::string& server_id, const std::vector<DiskSpec>& disks);
// INVALID_ARGUMENT: not inside of the disk.
absl::Status CheckBlocks(const std::vector<DiskSpec>& disks, std::size_t disk,
                         std::uint64_t first_block, std::uint64_t count);
// And that they are whole blocks.
absl::Status CheckPayload(const std::vector<DiskSpec>& disks, std::size_t disk,
                          std::uint64_t first_block, block::Bytes bytes);
absl::Status CheckRuns(const std::vector<DiskSpec>& disks, std::size_t disk,
                       const std::vector<SectorRun>& runs);

}  // namespace godwit::store
