#include <sys/stat.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agent/boot/block_volume.h"
#include "agent/boot/bytes.h"
#include "agent/boot/ext_geometry.h"
#include "agent/boot/inode_map.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace {

constexpr std::uint32_t kExtents = 0x80000, kInlineData = 0x10000000;
constexpr std::uint16_t kExtentMagic = 0xf30a;
constexpr std::uint32_t kMaxDepth = 5;
constexpr std::size_t kMapAt = 0x28, kMapBytes = 60;
constexpr std::uint32_t kRoot = 2, kReserved = 11;

class ExtMap final : public InodeMap {
 public:
  ExtMap(BlockVolume volume, const ExtGeometry& geometry)
      : volume_(std::move(volume)), geometry_(geometry) {}

  absl::Status PickBase() override {
    RETURN_IF_ERROR(volume_.PickBytes(0, 4096));
    for (std::uint64_t i = 0; i < geometry_.descriptor_blocks(); ++i)
      RETURN_IF_ERROR(volume_.Pick(geometry_.DescriptorBlock(i), 1));
    for (std::uint32_t inode = 1; inode < kReserved; ++inode) {
      ASSIGN_OR_RETURN(const std::uint64_t place, PlaceOf(inode));
      RETURN_IF_ERROR(volume_.PickBytes(place, geometry_.inode_bytes));
    }
    RETURN_IF_ERROR(PickInode(kRoot, 0));
    // The kernel looks where the journal is, so that nothing else can be there. With its first
    // block alone it is empty.
    if (geometry_.journal != 0) {
      ASSIGN_OR_RETURN(const std::string journal, ReadInode(geometry_.journal));
      RETURN_IF_ERROR(PickMap(journal, 1));
    }
    if (geometry_.orphan_file != 0)
      RETURN_IF_ERROR(PickInode(geometry_.orphan_file, kMaxFolderBytes));
    return absl::OkStatus();
  }

  absl::Status PickInode(std::uint64_t inode, std::uint64_t max_file_bytes) override {
    ASSIGN_OR_RETURN(const std::string raw, ReadInode(inode));
    const std::uint32_t type = Little<std::uint16_t>(raw, 0) & S_IFMT;
    const std::uint64_t size =
        Little<std::uint32_t>(raw, 0x4) | std::uint64_t{Little<std::uint32_t>(raw, 0x6c)} << 32;
    const std::uint64_t attributes =
        Little<std::uint32_t>(raw, 0x68) | std::uint64_t{Little<std::uint16_t>(raw, 0x76)} << 32;
    if (attributes != 0) RETURN_IF_ERROR(volume_.Pick(attributes, 1));
    const bool wanted = type == S_IFREG ? size > 0 && size <= max_file_bytes
                                        : (type == S_IFDIR && size <= kMaxFolderBytes) ||
                                              (type == S_IFLNK && size >= kMapBytes);
    return wanted ? PickMap(raw, UINT64_MAX) : absl::OkStatus();
  }

 private:
  // The inode's byte in the volume.
  absl::StatusOr<std::uint64_t> PlaceOf(std::uint64_t inode) {
    if (inode == 0 || inode > geometry_.inodes)
      return absl::OutOfRangeError(absl::StrCat("no inode ", inode));
    const std::uint64_t group = (inode - 1) / geometry_.inodes_per_group,
                        index = (inode - 1) % geometry_.inodes_per_group;
    if (group >= geometry_.groups()) return absl::OutOfRangeError(absl::StrCat("no group ", group));
    ASSIGN_OR_RETURN(
        const std::string descriptors,
        volume_.Read(geometry_.DescriptorBlock(group / geometry_.descriptors_per_block())));
    const std::size_t at = group % geometry_.descriptors_per_block() * geometry_.descriptor_bytes;
    std::uint64_t table = Little<std::uint32_t>(descriptors, at + 0x8);
    if (geometry_.descriptor_bytes >= 64)
      table |= std::uint64_t{Little<std::uint32_t>(descriptors, at + 0x28)} << 32;
    if (table >= geometry_.blocks) return absl::OutOfRangeError(absl::StrCat("no block ", table));
    return table * geometry_.block_bytes + index * geometry_.inode_bytes;
  }
  absl::StatusOr<std::string> ReadInode(std::uint64_t inode) {
    ASSIGN_OR_RETURN(const std::uint64_t place, PlaceOf(inode));
    ASSIGN_OR_RETURN(std::string raw, volume_.ReadBytes(place, geometry_.inode_bytes));
    if (Little<std::uint16_t>(raw, 0) == 0)
      return absl::NotFoundError(absl::StrCat("inode ", inode, " is not on the disk"));
    return raw;
  }
  // What maps the content, and `blocks` of the content itself.
  absl::Status PickMap(const std::string& inode, std::uint64_t blocks) {
    const std::uint32_t flags = Little<std::uint32_t>(inode, 0x20);
    const absl::string_view map = absl::string_view(inode).substr(kMapAt, kMapBytes);
    steps_ = 0;
    left_ = blocks;
    if ((flags & kInlineData) != 0) return absl::OkStatus();
    if ((flags & kExtents) != 0) return PickExtents(map, kMaxDepth);
    for (std::uint32_t i = 0; i < 15; ++i) {
      const std::uint32_t block = Little<std::uint32_t>(map, 4 * i);
      RETURN_IF_ERROR(PickIndirect(block, i < 12 ? 0 : static_cast<int>(i) - 11));
    }
    return absl::OkStatus();
  }
  absl::Status PickContent(std::uint64_t first, std::uint64_t count) {
    count = std::min(count, left_);
    left_ -= count;
    return count == 0 ? absl::OkStatus() : volume_.Pick(first, count);
  }
  absl::Status Step() {
    return ++steps_ <= kMaxMapBlocks ? absl::OkStatus()
                                     : absl::InvalidArgumentError("too many extents");
  }
  absl::Status PickExtents(absl::string_view node, std::uint32_t max_depth) {
    const std::uint32_t entries = Little<std::uint16_t>(node, 2),
                        depth = Little<std::uint16_t>(node, 6);
    if (Little<std::uint16_t>(node, 0) != kExtentMagic || depth > max_depth ||
        entries > (node.size() - 12) / 12)
      return absl::InvalidArgumentError("no extents");
    for (std::uint32_t i = 0; i < entries; ++i) {
      const std::size_t at = 12 + 12 * i;
      if (depth == 0) {
        std::uint32_t count = Little<std::uint16_t>(node, at + 4);
        if (count > 32768) continue;  // more: nothing was written there
        const std::uint64_t first = Little<std::uint32_t>(node, at + 8) |
                                    std::uint64_t{Little<std::uint16_t>(node, at + 6)} << 32;
        RETURN_IF_ERROR(PickContent(first, count));
        continue;
      }
      RETURN_IF_ERROR(Step());
      const std::uint64_t child = Little<std::uint32_t>(node, at + 4) |
                                  std::uint64_t{Little<std::uint16_t>(node, at + 8)} << 32;
      ASSIGN_OR_RETURN(const std::string below, volume_.Read(child));
      if (Little<std::uint16_t>(below, 6) + 1u != depth)
        return absl::InvalidArgumentError("no extents below extents");
      RETURN_IF_ERROR(PickExtents(below, depth - 1));
    }
    return absl::OkStatus();
  }
  // `level` 0: the block itself is content.
  absl::Status PickIndirect(std::uint32_t block, int level) {
    if (block == 0) return absl::OkStatus();
    if (level == 0) return PickContent(block, 1);
    RETURN_IF_ERROR(Step());
    ASSIGN_OR_RETURN(const std::string below, volume_.Read(block));
    for (std::size_t at = 0; at < below.size(); at += 4) {
      RETURN_IF_ERROR(PickIndirect(Little<std::uint32_t>(below, at), level - 1));
    }
    return absl::OkStatus();
  }

  BlockVolume volume_;
  const ExtGeometry geometry_;
  // Of the present inode.
  int steps_ = 0;
  std::uint64_t left_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<InodeMap>> MakeExtMap(Picker& picker, Volume volume) {
  ASSIGN_OR_RETURN(const std::string superblock, picker.Read(volume, 1024, 1024));
  ASSIGN_OR_RETURN(const ExtGeometry geometry, ParseExtGeometry(superblock));
  BlockVolume blocks(picker, std::move(volume), geometry.block_bytes, geometry.blocks);
  if (!blocks.Fits()) return absl::InvalidArgumentError("ext: larger than its device");
  return std::make_unique<ExtMap>(std::move(blocks), geometry);
}

}  // namespace godwit::agent
