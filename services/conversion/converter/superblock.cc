#include "services/conversion/converter/superblock.h"

#include "absl/base/internal/endian.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace godwit::convert {
namespace {

constexpr absl::string_view kMdMagic("\xfc\x4e\x2b\xa9", 4);
constexpr std::size_t kBtrfs = 65536;

std::string Uuid(absl::string_view bytes) {
  const std::string hex = absl::BytesToHexString(bytes);
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-",
                      hex.substr(16, 4), "-", hex.substr(20));
}

// A label of at most `size` bytes: up to the first zero, printable only.
std::string Label(absl::string_view bytes) {
  std::string label;
  for (const char c : bytes) {
    if (c == '\0') break;
    label.push_back(absl::ascii_isprint(static_cast<unsigned char>(c)) ? c : '_');
  }
  return std::string(absl::StripTrailingAsciiWhitespace(label));
}

std::uint32_t Word(absl::string_view bytes, std::size_t at) {
  return absl::little_endian::Load32(bytes.data() + at);
}

// `super`: 264 bytes. ext3 is ext2 with a journal, ext4 has features that ext3 does not know.
Superblock Ext(absl::string_view super) {
  constexpr std::uint32_t kJournal = 0x4;            // of the compatible features
  constexpr std::uint32_t kExt3Incompatible = 0x16;  // file types, needs recovery, meta_bg
  constexpr std::uint32_t kExt3ReadOnly = 0x7;       // sparse super, large files, btree folders
  const bool newer =
      (Word(super, 96) & ~kExt3Incompatible) != 0 || (Word(super, 100) & ~kExt3ReadOnly) != 0;
  return {.type = newer                               ? "ext4"
                  : (Word(super, 92) & kJournal) != 0 ? "ext3"
                                                      : "ext2",
          .uuid = Uuid(super.substr(104, 16)),
          .label = Label(super.substr(120, 16))};
}

std::string ArrayId(const std::string& hex) {
  return absl::StrCat(hex.substr(0, 8), ":", hex.substr(8, 8), ":", hex.substr(16, 8), ":",
                      hex.substr(24));
}

// Metadata 1.0, 1.1, 1.2; `super`: 256 bytes.
Superblock Md1(absl::string_view super) {
  return {.type = "md",
          .uuid = ArrayId(absl::BytesToHexString(super.substr(16, 16))),
          .label = Label(super.substr(32, 32)),
          .device_count = Word(super, 92),
          .level = static_cast<int>(Word(super, 72))};
}

// Metadata 0.90, words of the host's byte order; `super`: 4096 bytes.
Superblock Md0(absl::string_view super) {
  const auto hex = [&](std::size_t word) { return absl::StrFormat("%08x", Word(super, word * 4)); };
  return {.type = "md",
          .uuid = ArrayId(absl::StrCat(hex(5), hex(13), hex(14), hex(15))),
          .device_count = Word(super, 40),
          .level = static_cast<int>(Word(super, 28)),
          .minor = static_cast<int>(Word(super, 44) & 0xffff)};
}

// A superblock of md behind the data: there the file system's own one is at the front as well.
Superblock MdAtEnd(absl::string_view tail, std::uint64_t size) {
  const std::uint64_t begin = size - tail.size();
  const auto at = [&](std::uint64_t offset, std::size_t bytes) {
    const bool inside = offset >= begin && offset - begin + bytes <= tail.size();
    return inside ? tail.substr(static_cast<std::size_t>(offset - begin), bytes)
                  : absl::string_view();
  };
  if (size < kTailBytes) return {};
  const std::uint64_t sectors = size / 512;
  if (const absl::string_view v1 = at(((sectors - 16) & ~std::uint64_t{7}) * 512, 256);
      v1.substr(0, 4) == kMdMagic && Word(v1, 4) == 1) {
    return Md1(v1);
  }
  if (const absl::string_view v0 = at((size & ~std::uint64_t{65535}) - 65536, 4096);
      v0.substr(0, 4) == kMdMagic && Word(v0, 4) == 0) {
    return Md0(v0);
  }
  return {};
}

}  // namespace

Superblock ParseSuperblock(absl::string_view head, absl::string_view tail, std::uint64_t size) {
  const auto at = [&](std::size_t offset, std::size_t bytes) {
    return offset + bytes <= head.size() ? head.substr(offset, bytes) : absl::string_view();
  };
  if (size >= tail.size()) {
    if (Superblock md = MdAtEnd(tail, size); !md.type.empty()) return md;
  }
  for (const std::size_t offset : {std::size_t{4096}, std::size_t{0}}) {
    if (const absl::string_view md = at(offset, 256); md.substr(0, 4) == kMdMagic) return Md1(md);
  }
  if (at(0, 6) == absl::string_view("LUKS\xba\xbe", 6)) {
    const bool second = at(6, 2) == absl::string_view("\0\2", 2);
    return {.type = "luks",
            .uuid = Label(at(168, 40)),
            .label = second ? Label(at(24, 48)) : std::string()};
  }
  for (std::size_t sector = 0; sector < 4; ++sector) {
    // The id of the physical volume is behind the label's header, where its offset says.
    if (at(sector * 512, 8) != "LABELONE" || at(sector * 512, 64).size() < 64) continue;
    return {.type = "lvm", .uuid = Label(at(sector * 512 + 32, 32))};
  }
  // ext: superblock at 1024, magic at 56, features at 92, uuid at 104, volume name at 120.
  if (const absl::string_view ext = at(1024, 264);
      !ext.empty() && ext.substr(56, 2) == "\x53\xef") {
    return Ext(ext);
  }
  if (at(0, 4) == "XFSB" && head.size() >= 120) {
    return {.type = "xfs", .uuid = Uuid(head.substr(32, 16)), .label = Label(head.substr(108, 12))};
  }
  if (at(kBtrfs + 64, 8) == "_BHRfS_M" && at(kBtrfs, 1024).size() == 1024) {
    return {.type = "btrfs",
            .uuid = Uuid(at(kBtrfs + 32, 16)),
            .label = Label(at(kBtrfs + 299, 256)),
            .device_count = absl::little_endian::Load64(head.data() + kBtrfs + 136)};
  }
  for (const std::size_t page : {4096u, 8192u, 16384u, 65536u}) {
    if (at(page - 10, 10) == "SWAPSPACE2") {
      return {.type = "swap",
              .uuid = Uuid(head.substr(1036, 16)),
              .label = Label(head.substr(1052, 16))};
    }
  }
  if (at(3, 8) == "NTFS    " && head.size() >= 512) {
    return {.type = "ntfs",
            .uuid = absl::StrFormat("%016X", absl::little_endian::Load64(head.data() + 72))};
  }
  if (at(3, 8) == "-FVE-FS-") return {.type = "bitlocker"};
  // FAT: the boot signature and a type string; FAT32 has it at 82, FAT16 at 54.
  if (at(510, 2) == "\x55\xaa") {
    const std::size_t serial = at(82, 5) == "FAT32" ? 67 : at(54, 3) == "FAT" ? 39 : 0;
    if (serial != 0) {
      const std::uint32_t number = absl::little_endian::Load32(head.data() + serial);
      return {.type = "vfat",
              .uuid = absl::StrFormat("%04X-%04X", number >> 16, number & 0xffff),
              .label = Label(at(serial + 4, 11))};
    }
  }
  return {};
}

bool IsExt(absl::string_view type) { return type == "ext2" || type == "ext3" || type == "ext4"; }

bool IsLinuxFileSystem(absl::string_view type) {
  return IsExt(type) || type == "xfs" || type == "btrfs";
}

bool IsContainer(absl::string_view type) { return type == "lvm" || type == "luks" || type == "md"; }

}  // namespace godwit::convert
