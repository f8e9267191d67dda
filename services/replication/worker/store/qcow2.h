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

inline constexpr std::uint32_t kPageBytes = 4096;  // the cluster of a fine layer
inline constexpr std::uint32_t kPagesPerBlock = block::kBlockSize / kPageBytes;

// What a layer holds.
struct LayerTable {
  std::uint32_t cluster_bytes = block::kBlockSize;  // or kPageBytes
  // By number, each once; Placed::block counts clusters of the disk.
  std::vector<Placed> placed;
  bool fine() const { return cluster_bytes == kPageBytes; }
};

// Turns a file with data clusters [1, end_cluster) into an image of `disk_bytes`. Offsets in
// `table` lie inside the data. Syncs.
absl::Status SealQcow2(BlockFile& file, std::uint64_t disk_bytes, const Backing& backing,
                       std::uint64_t end_cluster, const LayerTable& table);

// The layer table of a sealed layer. DATA_LOSS when the file is damaged.
absl::StatusOr<LayerTable> ReadLayerTable(const std::string& path);

// A new, empty, writable image on top of `backing`.
absl::Status CreateOverlay(const std::string& path, std::uint64_t disk_bytes,
                           const Backing& backing);

}  // namespace godwit::store
