#include "services/conversion/converter/superblock.h"

#include "absl/base/internal/endian.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace godwit::convert {
namespace {

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

}  // namespace

Superblock ParseSuperblock(absl::string_view head) {
  const auto at = [&](std::size_t offset, std::size_t size) {
    return offset + size <= head.size() ? head.substr(offset, size) : absl::string_view();
  };
  // ext: superblock at 1024, magic at 56, uuid at 104, volume name at 120.
  if (const absl::string_view ext = at(1024, 264);
      !ext.empty() && ext.substr(56, 2) == "\x53\xef") {
    return {.type = "ext4", .uuid = Uuid(ext.substr(104, 16)), .label = Label(ext.substr(120, 16))};
  }
  if (at(0, 4) == "XFSB" && head.size() >= 120) {
    return {.type = "xfs", .uuid = Uuid(head.substr(32, 16)), .label = Label(head.substr(108, 12))};
  }
  for (const std::size_t page : {4096u, 8192u, 16384u, 65536u}) {
    if (at(page - 10, 10) == "SWAPSPACE2") {
      return {.type = "swap",
              .uuid = Uuid(head.substr(1036, 16)),
              .label = Label(head.substr(1052, 16))};
    }
  }
  if (at(0, 6) == absl::string_view("LUKS\xba\xbe", 6)) {
    return {.type = "luks", .uuid = Label(at(168, 40))};
  }
  for (std::size_t sector = 0; sector < 4; ++sector) {
    if (at(sector * 512, 8) == "LABELONE") return {.type = "lvm"};
  }
  if (at(4096, 4) == absl::string_view("\xfc\x4e\x2b\xa9", 4) ||
      at(0, 4) == absl::string_view("\xfc\x4e\x2b\xa9", 4)) {
    return {.type = "md"};
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

}  // namespace godwit::convert
