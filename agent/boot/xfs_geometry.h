// The geometry of XFS, from the superblock. Pure; the bytes are not trusted.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::agent {

struct XfsGeometry {
  std::uint32_t block_bytes = 0, inode_bytes = 0, group_blocks = 0, groups = 0;
  std::uint64_t blocks = 0;
  int group_block_bits = 0;  // of a block number, for the block in its group
  int inodes_per_block_bits = 0;
  bool v5 = false;
  std::uint64_t root = 0, realtime_bitmap = 0, realtime_summary = 0;  // inodes

  // The kernel reads inodes in clusters of so many blocks, all of which must be inodes.
  std::uint32_t cluster_blocks() const;
  struct Place {
    std::uint64_t block = 0;  // from the beginning of the volume
    std::uint32_t offset = 0;
    std::uint64_t cluster = 0;  // its first block
  };
  // OUT_OF_RANGE: there can be no such inode.
  absl::StatusOr<Place> InodePlace(std::uint64_t inode) const;
  // The block of the volume that the number names, as extents have them. OUT_OF_RANGE, as above.
  absl::StatusOr<std::uint64_t> BlockPlace(std::uint64_t number) const;
};

// `superblock`: the first 512 bytes of the file system.
absl::StatusOr<XfsGeometry> ParseXfsGeometry(absl::string_view superblock);

}  // namespace godwit::agent
