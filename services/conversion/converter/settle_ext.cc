#include "services/conversion/converter/settle_ext.h"

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/ext_checksums.h"

namespace godwit::convert {
namespace {

constexpr std::uint32_t kMaxFiles = 4u << 20;
constexpr int kInodeBytes = 4096;  // the largest inode that there may be
constexpr std::uint32_t kEpochBits = 3;

absl::Status Failed(const std::string& device, const char* what, errcode_t code) {
  return absl::FailedPreconditionError(absl::StrCat(device, ": ", what, ": error ", code));
}

class ExtFs {
 public:
  static absl::StatusOr<ExtFs> Open(const std::string& device, bool writable) {
    ext2_filsys fs = nullptr;
    const int flags = EXT2_FLAG_64BITS | EXT2_FLAG_IGNORE_CSUM_ERRORS |
                      (writable ? EXT2_FLAG_RW | EXT2_FLAG_MASTER_SB_ONLY : 0);
    const errcode_t code = ext2fs_open(device.c_str(), flags, 0, 0, unix_io_manager, &fs);
    if (code != 0) return Failed(device, "opening", code);
    if (EXT2_INODE_SIZE(fs->super) > kInodeBytes) {
      ext2fs_free(fs);
      return Failed(device, "size of inodes", 0);
    }
    return ExtFs(device, fs);
  }
  ExtFs(ExtFs&& other) noexcept : device_(std::move(other.device_)), fs_(other.fs_) {
    other.fs_ = nullptr;
  }
  ExtFs(const ExtFs&) = delete;
  // What was not written by Close() is left out.
  ~ExtFs() {
    if (fs_ != nullptr) ext2fs_free(fs_);
  }
  ext2_filsys get() const { return fs_; }
  ext2_super_block& super() const { return *fs_->super; }
  const std::string& device() const { return device_; }
  absl::Status Close() {
    // ext2fs_close() would add to the superblock's count of what was written.
    const errcode_t code = ext2fs_flush(fs_);
    ext2fs_free(fs_);
    fs_ = nullptr;
    return code == 0 ? absl::OkStatus() : Failed(device_, "closing", code);
  }
  absl::Status EachInode(const std::function<errcode_t(ext2_ino_t, ext2_inode_large*)>& visit) {
    if (super().s_inodes_count - super().s_free_inodes_count > kMaxFiles)
      return absl::ResourceExhaustedError(device_ + ": more than four million files");
    ext2_inode_scan scan = nullptr;
    errcode_t code = ext2fs_open_inode_scan(fs_, 0, &scan);
    if (code != 0) return Failed(device_, "inodes", code);
    alignas(ext2_inode_large) char bytes[kInodeBytes];
    auto* const inode = reinterpret_cast<ext2_inode_large*>(bytes);
    for (ext2_ino_t number = 0; code == 0;) {
      code = ext2fs_get_next_inode_full(scan, &number, reinterpret_cast<ext2_inode*>(inode),
                                        EXT2_INODE_SIZE(fs_->super));
      if (code != 0 || number == 0) break;
      code = visit(number, inode);
    }
    ext2fs_close_inode_scan(scan);
    return code == 0 ? absl::OkStatus() : Failed(device_, "inodes", code);
  }

 private:
  ExtFs(std::string device, ext2_filsys fs) : device_(std::move(device)), fs_(fs) {}
  std::string device_;
  ext2_filsys fs_;
};

// The inode has room for the field that ends at `end`.
bool Has(const ExtFs& fs, const ext2_inode_large& inode, std::size_t end) {
  return EXT2_INODE_SIZE(&fs.super()) > EXT2_GOOD_OLD_INODE_SIZE &&
         EXT2_GOOD_OLD_INODE_SIZE + std::size_t{inode.i_extra_isize} >= end;
}
#define GODWIT_HAS(fs, inode, field) \
  Has(fs, inode, offsetof(ext2_inode_large, field) + sizeof(inode.field))

std::int64_t Seconds(std::uint32_t seconds, std::uint32_t extra) {
  return static_cast<std::int32_t>(seconds) + (static_cast<std::int64_t>(extra & kEpochBits) << 32);
}

struct Span {
  std::int64_t first, last, stamp;

  // `extra`: the nanoseconds and the epoch, or null.
  bool Settle(std::uint32_t* seconds, std::uint32_t* extra) const {
    const std::int64_t now = Seconds(*seconds, extra != nullptr ? *extra : 0);
    if (now < first || now > last) return false;
    *seconds = static_cast<std::uint32_t>(stamp);
    if (extra != nullptr) {
      *extra = static_cast<std::uint32_t>((stamp - static_cast<std::int32_t>(*seconds)) >> 32) &
               kEpochBits;
    }
    return true;
  }
};

// Changes the inode; true when anything was of that span. *made: it is new.
bool SettleInode(const ExtFs& fs, const Span& span, ext2_inode_large* inode, bool* made) {
  const bool exact = GODWIT_HAS(fs, (*inode), i_atime_extra);
  bool touched = span.Settle(&inode->i_ctime, exact ? &inode->i_ctime_extra : nullptr);
  touched |= span.Settle(&inode->i_mtime, exact ? &inode->i_mtime_extra : nullptr);
  touched |= span.Settle(&inode->i_atime, exact ? &inode->i_atime_extra : nullptr);
  // Of an inode on the list of orphans it is a number, not a time.
  touched |= inode->i_links_count == 0 && span.Settle(&inode->i_dtime, nullptr);
  // An old format does not say which ones are new; other generations do no harm.
  *made = touched;
  if (GODWIT_HAS(fs, (*inode), i_crtime_extra)) {
    *made = span.Settle(&inode->i_crtime, &inode->i_crtime_extra);
  }
  return touched || *made;
}

absl::Status SettleInodes(ExtFs& fs, const Span& span) {
  const ext2_super_block& super = fs.super();
  const std::uint32_t seed = ext2fs_crc32c_le(~0u, super.s_uuid, sizeof super.s_uuid);
  std::vector<ext2_ino_t> renewed;
  const auto visit = [&](ext2_ino_t number, ext2_inode_large* inode) -> errcode_t {
    // Of a large attribute's value the times hold a count and a hash.
    if ((inode->i_flags & EXT4_EA_INODE_FL) != 0) return 0;
    bool made = false;
    if (!SettleInode(fs, span, inode, &made)) return 0;
    if (made) {
      unsigned char bytes[4];
      absl::little_endian::Store32(bytes, number);
      inode->i_generation = ext2fs_crc32c_le(seed, bytes, sizeof bytes);
      if (inode->i_links_count != 0) renewed.push_back(number);
    }
    return ext2fs_write_inode_full(fs.get(), number, reinterpret_cast<ext2_inode*>(inode),
                                   EXT2_INODE_SIZE(fs.get()->super));
  };
  RETURN_IF_ERROR(fs.EachInode(visit));
  if (!ext2fs_has_feature_metadata_csum(fs.get()->super)) return absl::OkStatus();
  for (const ext2_ino_t number : renewed) {
    if (const errcode_t code = RenewChecksums(fs.get(), number); code != 0)
      return Failed(fs.device(), "checksums", code);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::int64_t> LastUseOfExt(const std::string& device) {
  ASSIGN_OR_RETURN(const ExtFs fs, ExtFs::Open(device, /*writable=*/false));
  const ext2_super_block& super = fs.super();
  return std::max({super.s_mtime, super.s_wtime, super.s_lastcheck});
}

absl::StatusOr<ExtState> LookAtExt(const std::string& device, std::int64_t now) {
  ASSIGN_OR_RETURN(ExtFs fs, ExtFs::Open(device, /*writable=*/false));
  ExtState state{.kib_written = fs.super().s_kbytes_written};
  RETURN_IF_ERROR(fs.EachInode([&](ext2_ino_t, ext2_inode_large* inode) -> errcode_t {
    const bool exact = GODWIT_HAS(fs, (*inode), i_ctime_extra);
    const std::int64_t changed = Seconds(inode->i_ctime, exact ? inode->i_ctime_extra : 0);
    if (changed <= now && (inode->i_flags & EXT4_EA_INODE_FL) == 0)
      state.newest = std::max(state.newest, changed);
    return 0;
  }));
  return state;
}

absl::Status SettleExt(const std::string& device, const ExtState& before, std::int64_t first,
                       std::int64_t last, std::int64_t stamp) {
  ASSIGN_OR_RETURN(ExtFs fs, ExtFs::Open(device, /*writable=*/true));
  ext2_super_block& super = fs.super();
  if (ext2fs_has_feature_journal_needs_recovery(fs.get()->super) ||
      (super.s_state & EXT2_VALID_FS) == 0)
    return Failed(device, "it is not clean", 0);
  const Span span{first, last, stamp};
  RETURN_IF_ERROR(SettleInodes(fs, span));
  if (const errcode_t code = EmptyJournal(fs.get()); code != 0)
    return Failed(device, "journal", code);
  for (std::uint32_t* time : {&super.s_mtime, &super.s_wtime, &super.s_lastcheck})
    span.Settle(time, nullptr);
  super.s_kbytes_written = before.kib_written;
  fs.get()->now = stamp;  // of this last write
  ext2fs_mark_super_dirty(fs.get());
  return fs.Close();
}

}  // namespace godwit::convert
