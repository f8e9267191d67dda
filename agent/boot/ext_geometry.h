// The geometry of ext2, ext3 and ext4, from the superblock. Pure; the bytes are not trusted.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::agent {

struct ExtGeometry {
  std::uint32_t block_bytes = 0, inode_bytes = 0, descriptor_bytes = 0;
  std::uint64_t blocks = 0;
  std::uint32_t first_data_block = 0, blocks_per_group = 0, inodes_per_group = 0, inodes = 0;
  std::uint32_t first_inode = 0;  // that is not reserved
  std::uint32_t journal = 0;      // inode; 0: none
  std::uint32_t orphan_file = 0;  // inode; 0: none
  bool meta_groups = false;       // descriptors from that of first_meta on lie in their groups
  std::uint32_t first_meta = 0;
  bool sparse = false, sparse2 = false;  // which groups have copies of the superblock
  std::uint32_t backups[2] = {0, 0};

  std::uint64_t groups() const {
    return (blocks - first_data_block + blocks_per_group - 1) / blocks_per_group;
  }
  std::uint32_t descriptors_per_block() const { return block_bytes / descriptor_bytes; }
  std::uint64_t descriptor_blocks() const {
    return (groups() + descriptors_per_block() - 1) / descriptors_per_block();
  }
  // The block with the descriptors from `index` * descriptors_per_block() on.
  std::uint64_t DescriptorBlock(std::uint64_t index) const;
  // The group has a copy of the superblock.
  bool HasSuper(std::uint64_t group) const;
};

// `superblock`: 1024 bytes at byte 1024 of the file system.
absl::StatusOr<ExtGeometry> ParseExtGeometry(absl::string_view superblock);

}  // namespace godwit::agent
