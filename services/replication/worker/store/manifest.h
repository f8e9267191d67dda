// The commit record of a group, see protos/godwit/replication/v1/staging.proto.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "godwit/replication/v1/staging.pb.h"
#include "services/replication/worker/store/qcow2.h"
#include "services/replication/worker/store/store.h"

namespace godwit::store {

// Of a group without disks and points.
replication::v1::StagingManifest NewManifest(std::int64_t lease_generation);
// DATA_LOSS when it cannot be read as one.
absl::StatusOr<replication::v1::StagingManifest> LoadManifest(const std::string& path);
// Atomic and durable.
absl::Status SaveManifest(const std::string& path,
                          const replication::v1::StagingManifest& manifest);

replication::v1::StagedPoint ToStaged(const PointFacts& facts);
PointFacts FromStaged(const replication::v1::StagedPoint& staged);
replication::v1::StagedDisk ToStaged(const DiskSpec& spec);
DiskSpec FromStaged(const replication::v1::StagedDisk& staged);

// Raw bases; the others are qcow2 layers.
bool IsBase(absl::string_view name);
// What lies on top of the file `name` has it as its backing file.
Backing BackingOf(const std::string& name, bool encrypted);
// base.raw -> base.digests: the list of digests of a base.
std::string DigestFile(const std::string& base);

// The file that is on top of a disk in the point `epoch`; files are ordered by epoch. Null: none
// yet.
const replication::v1::StagedFile* TopFile(const replication::v1::StagedDisk& disk,
                                           std::int64_t epoch);

// Takes removed disks that no point has any more out of the manifest; which ones.
std::vector<std::string> DropUnusedDisks(replication::v1::StagingManifest* manifest);

}  // namespace godwit::store
