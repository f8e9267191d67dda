// Fewer layers: those between two points that are kept become one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "godwit/replication/v1/staging.pb.h"
#include "services/common/crypt/group_key.h"

namespace godwit::store {

// Consecutive files of a disk: [first, last] of StagedDisk.files.
struct MergeRange {
  int first = 0, last = 0;
  bool operator==(const MergeRange&) const = default;
};

// The next layers to merge; nullopt: nothing to do. `bytes` are the sizes of the files, `kept` the
// epochs of all points, ascending. Between two kept points a layer stays as long as it is at least
// twice as large as all newer ones there together: so every byte is copied a few times only, and
// few layers are left.
std::optional<MergeRange> NextMerge(const replication::v1::StagedDisk& disk,
                                    const std::vector<std::int64_t>& bytes,
                                    const std::vector<std::int64_t>& kept);

// Copies the layers of `range` into one beside the newest of them: the answer's path, durable,
// under a temporary name. Reads sealed files only, so nobody has to wait meanwhile.
absl::StatusOr<std::string> MergeLayers(const std::string& folder,
                                        const replication::v1::StagedDisk& disk,
                                        const MergeRange& range, const crypt::GroupKeyPtr& group);

}  // namespace godwit::store
