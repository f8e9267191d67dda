// Merging of layers whose own points are gone.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "godwit/replication/v1/staging.pb.h"

namespace godwit::store {

// For a disk of the group in `folder` of which only the points `kept` (ascending, with the newest)
// remain: every run of layers between two kept points becomes one file under the name of the run's
// newest, which reads the same before and after. Raw bases stay. Returns the disk as the next
// manifest has it; the files it no longer names may be removed once that is durable.
absl::StatusOr<replication::v1::StagedDisk> MergeLayers(const std::string& folder,
                                                        const replication::v1::StagedDisk& disk,
                                                        const std::vector<std::int64_t>& kept);

}  // namespace godwit::store
