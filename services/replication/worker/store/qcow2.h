// Sealed layers: qcow2 version 3 images, written once. Format: QEMU's docs/interop/qcow2.txt.
//
//   cluster 0        header, extensions, name of the backing file
//   clusters 1..n    data, in the order of arrival (some may be unused)
//   behind           L2 tables, L1 table, refcount blocks and table
//   behind the image the layer table: where each cluster is, with its digest (header extension
//   "GWT1"; ignored by QEMU)
//
// Coarse layers have clusters of 64 KiB, the block of replication, and know the digest of each.
// Fine layers have clusters of 4 KiB, for scattered small writes, and no digests.
//
// In an encrypted group images are as QEMU's LUKS encryption has them: a LUKS header in the
// clusters behind the first, data encrypted by its place in the file. The layer table is encrypted
// as well. The header extension "GWK1" has the file's key, wrapped by the group's. A base is
// written in place before it is an image, so its clusters lie in a file of their own (base.raw,
// QEMU's external data file) and base.qcow2 holds the tables.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/replication/worker/store/block_file.h"
#include "services/replication/worker/store/journal.h"

namespace godwit::store {

struct Backing {
  std::string file;    // relative to the image's folder; empty: none
  std::string format;  // "raw" or "qcow2"
};

// The first cluster for data of a layer: behind the headers.
std::uint64_t FirstDataCluster(const BlockFile& file, std::uint32_t cluster_bytes);

inline constexpr std::uint32_t kPageBytes = 4096;  // the cluster of a fine layer
inline constexpr std::uint32_t kPagesPerBlock = block::kBlockSize / kPageBytes;

// What a layer holds.
struct LayerTable {
  std::uint32_t cluster_bytes = block::kBlockSize;  // or kPageBytes
  // By number, each once; Placed::block counts clusters of the disk.
  std::vector<Placed> placed;
  bool fine() const { return cluster_bytes == kPageBytes; }
};

// An empty file for a layer, in place of whatever is at `path`; encrypted with `group`.
absl::StatusOr<BlockFile> NewLayer(const std::string& path, const crypt::GroupKeyPtr& group);

// Turns a file with data clusters [FirstDataCluster(), end_cluster) into an image of `disk_bytes`.
// Offsets in `table` lie inside the data. Syncs.
absl::Status SealQcow2(BlockFile& file, std::uint64_t disk_bytes, const Backing& backing,
                       std::uint64_t end_cluster, const LayerTable& table);

// Makes `path` the image of an encrypted base whose blocks lie in the file `data_name` beside it,
// encrypted with `cipher`, each at its own place. `blocks`: which there are, ascending; the others
// read as zeros.
absl::Status WriteBaseImage(const std::string& path, std::uint64_t disk_bytes,
                            const std::string& data_name, const FileCipherPtr& cipher,
                            const std::vector<std::uint64_t>& blocks);

// The layer table of a sealed layer. DATA_LOSS when the file is damaged.
absl::StatusOr<LayerTable> ReadLayerTable(const std::string& path,
                                          const crypt::GroupKeyPtr& group = nullptr);

// A sealed layer for reading. FAILED_PRECONDITION: it is encrypted and there is no key, or it is
// not and there is one.
absl::StatusOr<BlockFile> OpenLayer(const std::string& path, const crypt::GroupKeyPtr& group);
// The same for a base, which is plain when `group` is null.
absl::StatusOr<BlockFile> OpenBase(const std::string& path, const crypt::GroupKeyPtr& group);
// base.raw -> base.qcow2: its image in an encrypted group.
std::string ImageOfBase(const std::string& base);

// A new, empty, writable image on top of `backing`.
absl::Status CreateOverlay(const std::string& path, std::uint64_t disk_bytes,
                           const Backing& backing, const crypt::GroupKeyPtr& group = nullptr);

}  // namespace godwit::store
