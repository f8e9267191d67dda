#include <sys/stat.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agent/boot/block_volume.h"
#include "agent/boot/bytes.h"
#include "agent/boot/inode_map.h"
#include "agent/boot/xfs_geometry.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace {

constexpr std::uint16_t kInodeMagic = 0x494e;                             // IN
constexpr std::uint32_t kMapMagic = 0x424d4150, kMapMagic5 = 0x424d4133;  // BMAP, BMA3
enum Format : std::uint8_t { kExtents = 2, kTree = 3 };
constexpr std::uint16_t kRealtime = 1;
constexpr std::uint64_t kManyExtents = 16;  // a flag: counts are wider
constexpr std::uint32_t kMaxDepth = 9;
// Beginnings of the groups, of as many as are worth it.
constexpr std::uint32_t kMaxGroups = 4096;

class XfsMap final : public InodeMap {
 public:
  XfsMap(BlockVolume volume, const XfsGeometry& geometry)
      : volume_(std::move(volume)), geometry_(geometry) {}

  absl::Status PickBase() override {
    const std::uint64_t header = std::max<std::uint64_t>(4 * 4096, geometry_.block_bytes);
    const std::uint64_t end = geometry_.blocks * geometry_.block_bytes;
    for (std::uint32_t group = 0; group < std::min(geometry_.groups, kMaxGroups); ++group) {
      const std::uint64_t at =
          std::uint64_t{group} * geometry_.group_blocks * geometry_.block_bytes;
      RETURN_IF_ERROR(volume_.PickBytes(at, std::min(header, end - at)));
    }
    RETURN_IF_ERROR(PickInode(geometry_.root, 0));
    for (const std::uint64_t inode : {geometry_.realtime_bitmap, geometry_.realtime_summary}) {
      if (inode != UINT64_MAX && inode != 0) RETURN_IF_ERROR(PickInode(inode, 0));
    }
    return absl::OkStatus();
  }

  absl::Status PickInode(std::uint64_t inode, std::uint64_t max_file_bytes) override {
    ASSIGN_OR_RETURN(const XfsGeometry::Place place, geometry_.InodePlace(inode));
    RETURN_IF_ERROR(volume_.Pick(
        place.cluster,
        std::min<std::uint64_t>(geometry_.cluster_blocks(), geometry_.blocks - place.cluster)));
    ASSIGN_OR_RETURN(const std::string raw,
                     volume_.ReadBytes(place.block * geometry_.block_bytes + place.offset,
                                       geometry_.inode_bytes));
    const std::uint32_t type = Big<std::uint16_t>(raw, 2) & S_IFMT;
    if (Big<std::uint16_t>(raw, 0) != kInodeMagic || type == 0)
      return absl::NotFoundError(absl::StrCat("inode ", inode, " is not on the disk"));
    const bool v3 = Big<std::uint8_t>(raw, 4) >= 3;
    const std::size_t data = v3 ? 176 : 100;
    const std::uint64_t size = Big<std::uint64_t>(raw, 56);
    const bool wide = v3 && (Big<std::uint64_t>(raw, 120) & kManyExtents) != 0;
    const std::size_t attributes = data + std::size_t{8} * Big<std::uint8_t>(raw, 82);
    const bool has_attributes = attributes > data && attributes < raw.size();
    steps_ = 0;
    if (has_attributes) {
      RETURN_IF_ERROR(PickFork(absl::string_view(raw).substr(attributes),
                               Big<std::uint8_t>(raw, 83),
                               wide ? Big<std::uint32_t>(raw, 76) : Big<std::uint16_t>(raw, 80)));
    }
    const bool wanted =
        type == S_IFREG
            ? size > 0 && size <= max_file_bytes && (Big<std::uint16_t>(raw, 90) & kRealtime) == 0
            : (type == S_IFDIR && size <= kMaxFolderBytes) || type == S_IFLNK;
    if (!wanted) return absl::OkStatus();
    const std::size_t end = has_attributes ? attributes : raw.size();
    return PickFork(absl::string_view(raw).substr(data, end - data), Big<std::uint8_t>(raw, 5),
                    wide ? Big<std::uint64_t>(raw, 24) : Big<std::uint32_t>(raw, 76));
  }

 private:
  // What a fork of an inode maps; nothing is mapped where it is held in the inode.
  absl::Status PickFork(absl::string_view fork, std::uint8_t format, std::uint64_t extents) {
    if (format == kExtents) return PickExtents(fork, extents);
    if (format != kTree) return absl::OkStatus();
    const std::uint32_t level = Big<std::uint16_t>(fork, 0), records = Big<std::uint16_t>(fork, 2);
    if (level == 0 || level > kMaxDepth) return absl::InvalidArgumentError("no tree");
    return PickChildren(fork, 4, level, records);
  }
  absl::Status PickExtents(absl::string_view records, std::uint64_t count) {
    if (count > records.size() / 16) return absl::InvalidArgumentError("too many extents");
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t high = Big<std::uint64_t>(records, 16 * i),
                          low = Big<std::uint64_t>(records, 16 * i + 8);
      if (high >> 63 != 0) continue;  // nothing was written there
      ASSIGN_OR_RETURN(const std::uint64_t first,
                       geometry_.BlockPlace((high & 0x1ff) << 43 | low >> 21));
      RETURN_IF_ERROR(volume_.Pick(first, low & 0x1fffff));
    }
    return absl::OkStatus();
  }
  // Keys and then pointers, each 8 bytes, fill a node behind its header.
  absl::Status PickChildren(absl::string_view node, std::size_t header, std::uint32_t level,
                            std::uint32_t records) {
    if (node.size() < header || records > (node.size() - header) / 16)
      return absl::InvalidArgumentError("no tree");
    const std::size_t pointers = header + (node.size() - header) / 16 * 8;
    for (std::uint32_t i = 0; i < records; ++i) {
      if (++steps_ > kMaxMapBlocks) return absl::InvalidArgumentError("too many extents");
      ASSIGN_OR_RETURN(const std::uint64_t block,
                       geometry_.BlockPlace(Big<std::uint64_t>(node, pointers + 8 * i)));
      ASSIGN_OR_RETURN(const std::string below, volume_.Read(block));
      const std::uint32_t magic = Big<std::uint32_t>(below, 0),
                          count = Big<std::uint16_t>(below, 6);
      if ((magic != kMapMagic && magic != kMapMagic5) || Big<std::uint16_t>(below, 4) + 1u != level)
        return absl::InvalidArgumentError("no tree");
      const std::size_t head = magic == kMapMagic5 ? 72 : 24;
      RETURN_IF_ERROR(level == 1 ? PickExtents(absl::string_view(below).substr(head), count)
                                 : PickChildren(below, head, level - 1, count));
    }
    return absl::OkStatus();
  }

  BlockVolume volume_;
  const XfsGeometry geometry_;
  int steps_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<InodeMap>> MakeXfsMap(Picker& picker, Volume volume) {
  ASSIGN_OR_RETURN(const std::string superblock, picker.Read(volume, 0, 512));
  ASSIGN_OR_RETURN(const XfsGeometry geometry, ParseXfsGeometry(superblock));
  BlockVolume blocks(picker, std::move(volume), geometry.block_bytes, geometry.blocks);
  if (!blocks.Fits()) return absl::InvalidArgumentError("XFS: larger than its device");
  return std::make_unique<XfsMap>(std::move(blocks), geometry);
}

}  // namespace godwit::agent
