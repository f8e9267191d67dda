// Makes the fine layer of a point out of a delta log.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "services/replication/worker/store/delta_log.h"
#include "services/replication/worker/store/qcow2.h"
#include "services/replication/worker/store/sealed_blocks.h"

namespace godwit::store {

// Writes the layer `path` with `pages` of `log`, in the order of the log, so that both are read and
// written from front to back. Pages with missing sectors are completed from `below`.
absl::Status WriteFineLayer(const std::string& path, std::uint64_t disk_bytes,
                            const Backing& backing, const DeltaPages& pages, const BlockFile& log,
                            const SealedBlocks& below, const crypt::GroupKeyPtr& group);

}  // namespace godwit::store
