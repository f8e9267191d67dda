// The layout that the file store did not take, for comparison: append-only segments with a block
// map. Everything of a disk is appended in pages of 4 KiB to segments of 64 MiB; the map says where
// each page is. A point is a synced record of the map entries that changed; it keeps the entries
// that later pages take the place of. Forgetting points rewrites segments that are mostly dead.
// QEMU cannot open it: a clone is a copy of the disk.
//
// For benches: there is no reading of an existing store, no fence, one disk.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/replication/worker/store/store.h"

namespace godwit::bench {

absl::StatusOr<std::shared_ptr<store::Group>> OpenSegmentGroup(const std::string& folder,
                                                               const store::DiskSpec& disk);

}  // namespace godwit::bench
