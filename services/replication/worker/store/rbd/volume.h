// The replica of one disk: an RBD image and the digests of its blocks.
//
// Digests are kept in objects {prefix}.{run}, 16 bytes for each of 4096 blocks, all zero: unknown.
// They are written in place before a point is recorded. What they say of blocks that changed since
// the last recorded point is not believed when the volume is opened, so an unfinished write of them
// does no harm.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "godwit/replication/v1/rbd_staging.pb.h"
#include "services/replication/worker/store/digests.h"
#include "services/replication/worker/store/rbd/image.h"
#include "services/replication/worker/store/store.h"

namespace godwit::store::rbd {

// Snapshot of an epoch.
std::string SnapshotName(std::int64_t epoch);

// Not thread-safe, but for image().
class Volume {
 public:
  // `point`: the newest recorded point that has the disk, 0: none. Makes the image when there is
  // none. `cluster` must outlive the volume.
  static absl::StatusOr<std::unique_ptr<Volume>> Open(Cluster& cluster,
                                                      const replication::v1::RbdDisk& disk,
                                                      std::int64_t point);
  // Removes image and digests.
  static absl::Status Remove(Cluster& cluster, const replication::v1::RbdDisk& disk);

  const std::string& disk_id() const { return disk_id_; }
  std::uint64_t size_bytes() const { return size_bytes_; }
  Image& image() { return *image_; }
  bool empty() const { return empty_; }
  // It was changed since its point when it was opened.
  bool was_changed() const { return was_changed_; }

  // Whole blocks.
  absl::Status Write(std::uint64_t first_block, block::Bytes bytes);
  absl::Status Zero(std::uint64_t first_block, std::uint64_t count);
  // Any bytes.
  absl::Status Patch(std::uint64_t offset, block::Bytes bytes);
  absl::Status Read(std::uint64_t block, block::MutableBytes bytes);
  // Reads it when it is not known.
  absl::StatusOr<block::Digest> DigestAt(std::uint64_t block);
  std::optional<block::Digest> KnownDigest(std::uint64_t block) const;
  // What the block holds is not what was written: it is read when somebody asks.
  void Distrust(std::uint64_t block) { SetUnknown(block); }

  // Blocks that DiskHash() would have to read.
  std::uint64_t unknown() const { return unknown_count_; }
  absl::StatusOr<std::string> DiskHash();
  // Bytes written since the last call of SaveDigests().
  std::int64_t changed_bytes() const { return changed_bytes_; }
  absl::Status SaveDigests();

 private:
  Volume(Cluster& cluster, const replication::v1::RbdDisk& disk);
  absl::Status LoadDigests(std::int64_t point);
  void SetKnown(std::uint64_t block, const block::Digest& digest);
  void SetUnknown(std::uint64_t block);
  std::string DigestObject(std::uint64_t run) const;

  Cluster& cluster_;
  const std::string disk_id_, name_;
  const std::uint64_t size_bytes_;
  std::unique_ptr<Image> image_;
  bool empty_ = true, was_changed_ = false;
  DigestList digests_;
  std::vector<bool> unknown_;
  std::uint64_t unknown_count_ = 0;
  std::vector<bool> unsaved_;              // digests that differ from what is kept
  std::vector<std::uint32_t> unsaved_in_;  // how many, by run
  std::vector<bool> kept_;                 // runs that have an object
  std::int64_t changed_bytes_ = 0;
};

}  // namespace godwit::store::rbd
