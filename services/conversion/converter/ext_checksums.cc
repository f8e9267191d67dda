#include "services/conversion/converter/ext_checksums.h"

#include <algorithm>
#include <vector>

#include "absl/base/internal/endian.h"

namespace godwit::convert {
namespace {

namespace big_endian = absl::big_endian;

// The journal's superblock (jbd2): where its fields are.
constexpr std::size_t kJournalSuper = 1024, kMagic = 0, kType = 4, kSequence = 24, kStart = 28,
                      kIncompatible = 40, kHead = 88, kChecksum = 252;
constexpr std::uint32_t kJournalMagic = 0xc03b3998, kSuperTypes[] = {3, 4}, kHasChecksum = 0x18;
constexpr std::size_t kMaxRun = 1 << 15;  // blocks

struct Blocks {
  std::vector<blk64_t> all;
  static int Add(ext2_filsys, blk64_t* block, e2_blkcnt_t count, blk64_t, int, void* self) {
    if (count >= 0) static_cast<Blocks*>(self)->all.push_back(*block);
    return 0;
  }
};

errcode_t BlocksOf(ext2_filsys fs, ext2_ino_t inode, std::vector<blk64_t>* blocks) {
  Blocks found;
  const errcode_t code = ext2fs_block_iterate3(
      fs, inode, BLOCK_FLAG_READ_ONLY | BLOCK_FLAG_DATA_ONLY, nullptr, Blocks::Add, &found);
  *blocks = std::move(found.all);
  return code;
}

errcode_t RenewFolder(ext2_filsys fs, ext2_ino_t number) {
  std::vector<blk64_t> blocks;
  if (const errcode_t code = BlocksOf(fs, number, &blocks); code != 0) return code;
  std::vector<char> bytes(fs->blocksize);
  for (const blk64_t block : blocks) {
    errcode_t code = ext2fs_read_dir_block4(fs, block, bytes.data(), 0, number);
    if (code == 0) code = ext2fs_write_dir_block4(fs, block, bytes.data(), 0, number);
    if (code != 0) return code;
  }
  return 0;
}

// The tree's root lies in the inode; every block below it has a checksum.
errcode_t RenewExtents(ext2_filsys fs, ext2_ino_t number) {
  ext2_extent_handle_t tree = nullptr;
  errcode_t code = ext2fs_extent_open(fs, number, &tree);
  if (code != 0) return code;
  ext2_extent_info info{};
  code = ext2fs_extent_get_info(tree, &info);
  ext2fs_extent extent{};
  if (code == 0 && info.max_depth > 0) code = ext2fs_extent_get(tree, EXT2_EXTENT_ROOT, &extent);
  while (code == 0 && info.max_depth > 0) {
    if ((extent.e_flags & EXT2_EXTENT_FLAGS_SECOND_VISIT) == 0)
      code = ext2fs_extent_replace(tree, 0, &extent);
    if (code == 0) code = ext2fs_extent_get(tree, EXT2_EXTENT_NEXT, &extent);
  }
  ext2fs_extent_free(tree);
  return code == EXT2_ET_EXTENT_NO_NEXT ? 0 : code;
}

}  // namespace

errcode_t RenewChecksums(ext2_filsys fs, ext2_ino_t number) {
  ext2_inode inode{};
  if (const errcode_t code = ext2fs_read_inode(fs, number, &inode); code != 0) return code;
  if ((inode.i_flags & EXT4_INLINE_DATA_FL) != 0) return 0;
  if ((inode.i_flags & EXT4_EXTENTS_FL) != 0) {
    if (const errcode_t code = RenewExtents(fs, number); code != 0) return code;
  }
  return LINUX_S_ISDIR(inode.i_mode) ? RenewFolder(fs, number) : 0;
}

errcode_t EmptyJournal(ext2_filsys fs) {
  if (!ext2fs_has_feature_journal(fs->super) || fs->super->s_journal_inum != EXT2_JOURNAL_INO)
    return 0;
  std::vector<blk64_t> blocks;
  if (const errcode_t code = BlocksOf(fs, EXT2_JOURNAL_INO, &blocks); code != 0) return code;
  if (blocks.empty()) return 0;
  std::vector<char> bytes(std::max<std::size_t>(fs->blocksize, kJournalSuper));
  char* const super = bytes.data();
  errcode_t code = io_channel_read_blk64(fs->io, blocks[0], 1, super);
  if (code != 0) return code;
  const std::uint32_t type = big_endian::Load32(super + kType);
  if (big_endian::Load32(super + kMagic) != kJournalMagic ||
      std::find(std::begin(kSuperTypes), std::end(kSuperTypes), type) == std::end(kSuperTypes))
    return EXT2_ET_CORRUPT_JOURNAL_SB;
  if (big_endian::Load32(super + kStart) != 0) return EXT2_ET_CORRUPT_JOURNAL_SB;  // work is left
  big_endian::Store32(super + kSequence, 1);
  big_endian::Store32(super + kHead, 0);
  if ((big_endian::Load32(super + kIncompatible) & kHasChecksum) != 0) {
    big_endian::Store32(super + kChecksum, 0);
    big_endian::Store32(
        super + kChecksum,
        ext2fs_crc32c_le(~0u, reinterpret_cast<unsigned char*>(super), kJournalSuper));
  }
  code = io_channel_write_blk64(fs->io, blocks[0], 1, super);
  for (std::size_t i = 1; i < blocks.size() && code == 0;) {
    std::size_t run = 1;
    while (i + run < blocks.size() && run < kMaxRun && blocks[i + run] == blocks[i] + run) ++run;
    code = ext2fs_zero_blocks2(fs, blocks[i], static_cast<int>(run), nullptr, nullptr);
    i += run;
  }
  ext2fs_zero_blocks2(nullptr, 0, 0, nullptr, nullptr);  // its buffer
  return code;
}

}  // namespace godwit::convert
