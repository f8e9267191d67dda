#include "agent/boot/ext_geometry.h"

#include <bit>

#include "agent/boot/bytes.h"

namespace godwit::agent {
namespace {

constexpr std::uint32_t kCompatJournal = 0x4, kCompatSparse2 = 0x200, kCompatOrphanFile = 0x1000;
constexpr std::uint32_t kIncompatJournalDevice = 0x8, kIncompatMetaGroups = 0x10,
                        kIncompat64Bit = 0x80;
constexpr std::uint32_t kReadOnlySparse = 0x1;

bool IsPowerOf(std::uint64_t number, std::uint64_t base) {
  while (number > 1 && number % base == 0) number /= base;
  return number == 1;
}

}  // namespace

bool ExtGeometry::HasSuper(std::uint64_t group) const {
  if (group == 0) return true;
  if (sparse2) return group == backups[0] || group == backups[1];
  if (group == 1 || !sparse) return true;
  return IsPowerOf(group, 3) || IsPowerOf(group, 5) || IsPowerOf(group, 7);
}

std::uint64_t ExtGeometry::DescriptorBlock(std::uint64_t index) const {
  if (!meta_groups || index < first_meta) return (block_bytes == 1024 ? 1 : 0) + 1 + index;
  const std::uint64_t group = index * descriptors_per_block();
  std::uint64_t block = first_data_block + group * blocks_per_group + (HasSuper(group) ? 1 : 0);
  if (block_bytes == 1024 && index == 0 && first_data_block == 0) ++block;
  return block;
}

absl::StatusOr<ExtGeometry> ParseExtGeometry(absl::string_view superblock) {
  const auto u16 = [&](std::size_t at) { return Little<std::uint16_t>(superblock, at); };
  const auto u32 = [&](std::size_t at) { return Little<std::uint32_t>(superblock, at); };
  if (superblock.size() < 1024 || u16(0x38) != 0xef53)
    return absl::InvalidArgumentError("no ext superblock");
  const std::uint32_t compat = u32(0x5c), incompat = u32(0x60);
  if (u32(0x18) > 6) return absl::InvalidArgumentError("ext: impossible block size");
  ExtGeometry geometry{.block_bytes = 1024u << u32(0x18),
                       .inode_bytes = 128,
                       .descriptor_bytes = 32,
                       .blocks = u32(0x04),
                       .first_data_block = u32(0x14),
                       .blocks_per_group = u32(0x20),
                       .inodes_per_group = u32(0x28),
                       .inodes = u32(0x00),
                       .first_inode = 11};
  if (u32(0x4c) > 0) {  // with features
    geometry.inode_bytes = u16(0x58);
    geometry.first_inode = u32(0x54);
    if ((compat & kCompatJournal) != 0 && (incompat & kIncompatJournalDevice) == 0)
      geometry.journal = u32(0xe0);
    if ((compat & kCompatOrphanFile) != 0) geometry.orphan_file = u32(0x280);
    geometry.sparse = (u32(0x64) & kReadOnlySparse) != 0;
    geometry.sparse2 = (compat & kCompatSparse2) != 0;
    geometry.backups[0] = u32(0x24c);
    geometry.backups[1] = u32(0x250);
    geometry.meta_groups = (incompat & kIncompatMetaGroups) != 0;
    geometry.first_meta = u32(0x104);
    if ((incompat & kIncompat64Bit) != 0) {
      geometry.blocks |= std::uint64_t{u32(0x150)} << 32;
      geometry.descriptor_bytes = u16(0xfe);
      if (geometry.descriptor_bytes < 64)
        return absl::InvalidArgumentError("ext: impossible descriptor size");
    }
  }
  const bool possible = std::has_single_bit(geometry.inode_bytes) && geometry.inode_bytes >= 128 &&
                        geometry.inode_bytes <= geometry.block_bytes &&
                        std::has_single_bit(geometry.descriptor_bytes) &&
                        geometry.descriptor_bytes <= geometry.block_bytes &&
                        geometry.blocks_per_group > 0 && geometry.inodes_per_group > 0 &&
                        geometry.inodes_per_group <= 8u * geometry.block_bytes &&
                        geometry.first_data_block <= 1 &&
                        geometry.blocks > geometry.first_data_block && geometry.blocks >> 48 == 0;
  if (!possible) return absl::InvalidArgumentError("ext: impossible geometry");
  return geometry;
}

}  // namespace godwit::agent
