// Copies pieces of sealed files and logs into a new layer, from front to back of each source.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "services/replication/worker/store/block_file.h"

namespace godwit::store {

// A cluster that is wanted.
struct WantedCluster {
  std::uint32_t source = 0;  // index
  std::uint64_t offset = 0;  // in the source
  std::uint64_t number = 0;  // the caller's
};

// Writes `wanted` where the data of layer `to` begins, sorted by source and offset. `content` may
// change a cluster before it is written; `placed` is told where each one went.
absl::Status CopyClusters(
    std::vector<WantedCluster> wanted, const std::vector<const BlockFile*>& sources,
    std::uint32_t cluster_bytes, BlockFile& to,
    const std::function<absl::Status(const WantedCluster&, block::MutableBytes)>& content,
    const std::function<void(const WantedCluster&, std::uint64_t offset)>& placed);

}  // namespace godwit::store
