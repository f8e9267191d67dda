#include "agent/boot/xfs_geometry.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "agent/boot/bytes.h"

namespace godwit::agent {
namespace {

constexpr std::uint32_t kMagic = 0x58465342;  // XFSB
constexpr std::uint32_t kClusterBytes = 8192, kOldInodeBytes = 256;

}  // namespace

std::uint32_t XfsGeometry::cluster_blocks() const {
  const std::uint32_t bytes =
      v5 ? kClusterBytes * std::max(1u, inode_bytes / kOldInodeBytes) : kClusterBytes;
  return std::max(1u, bytes / block_bytes);
}

absl::StatusOr<XfsGeometry::Place> XfsGeometry::InodePlace(std::uint64_t inode) const {
  const int group_bits = group_block_bits + inodes_per_block_bits;
  const std::uint64_t group = inode >> group_bits,
                      in_group = inode & ((std::uint64_t{1} << group_bits) - 1);
  const std::uint64_t block = in_group >> inodes_per_block_bits;
  if (group >= groups || block >= group_blocks || group * group_blocks + block >= blocks)
    return absl::OutOfRangeError(absl::StrCat("no inode ", inode));
  const std::uint64_t index = in_group & ((std::uint64_t{1} << inodes_per_block_bits) - 1);
  return Place{.block = group * group_blocks + block,
               .offset = static_cast<std::uint32_t>(index * inode_bytes),
               .cluster = group * group_blocks + block / cluster_blocks() * cluster_blocks()};
}

absl::StatusOr<std::uint64_t> XfsGeometry::BlockPlace(std::uint64_t number) const {
  const std::uint64_t group = number >> group_block_bits,
                      block = number & ((std::uint64_t{1} << group_block_bits) - 1);
  if (group >= groups || block >= group_blocks || group * group_blocks + block >= blocks)
    return absl::OutOfRangeError(absl::StrCat("no block ", number));
  return group * group_blocks + block;
}

absl::StatusOr<XfsGeometry> ParseXfsGeometry(absl::string_view superblock) {
  if (superblock.size() < 512 || Big<std::uint32_t>(superblock, 0) != kMagic)
    return absl::InvalidArgumentError("no XFS superblock");
  const auto byte = [&](std::size_t at) { return Big<std::uint8_t>(superblock, at); };
  const XfsGeometry geometry{.block_bytes = Big<std::uint32_t>(superblock, 4),
                             .inode_bytes = Big<std::uint16_t>(superblock, 104),
                             .group_blocks = Big<std::uint32_t>(superblock, 84),
                             .groups = Big<std::uint32_t>(superblock, 88),
                             .blocks = Big<std::uint64_t>(superblock, 8),
                             .group_block_bits = byte(124),
                             .inodes_per_block_bits = byte(123),
                             .v5 = (Big<std::uint16_t>(superblock, 100) & 0xf) == 5,
                             .root = Big<std::uint64_t>(superblock, 56),
                             .realtime_bitmap = Big<std::uint64_t>(superblock, 64),
                             .realtime_summary = Big<std::uint64_t>(superblock, 72)};
  const bool possible =
      std::has_single_bit(geometry.block_bytes) && geometry.block_bytes >= 512 &&
      geometry.block_bytes <= 65536 && std::has_single_bit(geometry.inode_bytes) &&
      geometry.inode_bytes >= 256 && geometry.inode_bytes <= 2048 &&
      geometry.inode_bytes <= geometry.block_bytes &&
      geometry.inode_bytes << geometry.inodes_per_block_bits % 32 == geometry.block_bytes &&
      geometry.group_blocks > 0 && geometry.group_block_bits <= 31 &&
      geometry.group_blocks <= std::uint64_t{1} << geometry.group_block_bits &&
      geometry.groups > 0 &&
      geometry.blocks <= std::uint64_t{geometry.groups} * geometry.group_blocks &&
      geometry.blocks > std::uint64_t{geometry.groups - 1} * geometry.group_blocks &&
      geometry.inodes_per_block_bits < 32;
  if (!possible) return absl::InvalidArgumentError("XFS: impossible geometry");
  return geometry;
}

}  // namespace godwit::agent
