// Gives back what the base of a disk holds for nobody: blocks that every kept point reads from a
// layer. Layers are merged (merge.h); the base, as large as the disk, never is.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "godwit/replication/v1/staging.pb.h"
#include "services/common/crypt/group_key.h"

namespace godwit::store {

// Bytes of layers that lie under the oldest kept point `epoch` and above the point `since`.
std::int64_t NewlyCovered(const std::string& folder, const replication::v1::StagedDisk& disk,
                          std::int64_t since, std::int64_t epoch);

// Makes holes in the base where the layers up to the point `epoch` hold the whole block; how many
// blocks they hold. `epoch` is the oldest point that is kept, durably. Whoever takes the group over
// later keeps these points or newer ones, so this is harmless however late it happens. Does nothing
// while a clone, which may be of a point that is gone, shares the base.
absl::StatusOr<std::uint64_t> ReclaimBase(const std::string& folder,
                                          const replication::v1::StagedDisk& disk,
                                          std::int64_t epoch, const crypt::GroupKeyPtr& group);

}  // namespace godwit::store
