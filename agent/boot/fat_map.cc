#include "agent/boot/fat_map.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "agent/boot/bytes.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace {

constexpr std::uint64_t kPart = 65536;  // of the table, read at once

struct Fat {
  std::uint64_t sector = 0, table = 0, table_bytes = 0, data = 0, cluster_bytes = 0, clusters = 0;
  int bits = 0;  // of an entry of the table
};

absl::StatusOr<Fat> ParseFat(absl::string_view boot, std::uint64_t size) {
  const auto u8 = [&](std::size_t at) { return Little<std::uint8_t>(boot, at); };
  const auto u16 = [&](std::size_t at) { return Little<std::uint16_t>(boot, at); };
  const auto u32 = [&](std::size_t at) { return Little<std::uint32_t>(boot, at); };
  const std::uint32_t sector = u16(11), per_cluster = u8(13), reserved = u16(14), tables = u8(16);
  const std::uint64_t sectors = u16(19) != 0 ? u16(19) : u32(32),
                      table_sectors = u16(22) != 0 ? u16(22) : u32(36);
  const std::uint64_t root_sectors =
      sector == 0 ? 0 : (std::uint64_t{u16(17)} * 32 + sector - 1) / sector;
  const std::uint64_t before = reserved + tables * table_sectors + root_sectors;
  if (boot.size() < 512 || u16(510) != 0xaa55 || (u8(0) != 0xeb && u8(0) != 0xe9) ||
      !std::has_single_bit(sector) || sector < 512 || sector > 4096 ||
      !std::has_single_bit(per_cluster) || reserved == 0 || tables == 0 || tables > 2 ||
      table_sectors == 0 || before >= sectors || sectors > size / sector) {
    return absl::InvalidArgumentError("no FAT volume");
  }
  Fat fat{.sector = sector,
          .table = std::uint64_t{reserved} * sector,
          .table_bytes = table_sectors * sector,
          .data = before * sector,
          .cluster_bytes = std::uint64_t{per_cluster} * sector,
          .clusters = (sectors - before) / per_cluster};
  fat.bits = fat.clusters < 4085 ? 12 : fat.clusters < 65525 ? 16 : 32;
  const auto bits = static_cast<std::uint64_t>(fat.bits);
  if (fat.table_bytes * 8 / bits < 2) return absl::InvalidArgumentError("no FAT volume");
  fat.clusters = std::min(fat.clusters, fat.table_bytes * 8 / bits - 2);
  fat.table_bytes = std::min(fat.table_bytes, ((fat.clusters + 2) * bits + 7) / 8);
  return fat;
}

}  // namespace

absl::Status PickFat(Picker& picker, const Volume& volume) {
  const std::uint64_t size = SizeOf(volume);
  if (size < 4096 || size > kMaxFatBytes) return absl::InvalidArgumentError("no small FAT volume");
  ASSIGN_OR_RETURN(const std::string boot, picker.Read(volume, 0, 512));
  ASSIGN_OR_RETURN(const Fat fat, ParseFat(boot, size));
  RETURN_IF_ERROR(picker.Pick(volume, 0, fat.data));
  std::string table;
  for (std::uint64_t at = 0; at < fat.table_bytes; at += kPart) {
    ASSIGN_OR_RETURN(const std::string part,
                     picker.Read(volume, fat.table + at, std::min(kPart, fat.table_bytes - at)));
    table += part;
  }
  std::vector<std::uint64_t> used;
  for (std::uint64_t i = 0; i < fat.clusters; ++i) {
    const std::uint64_t entry = i + 2;
    const std::uint32_t next =
        fat.bits == 32   ? Little<std::uint32_t>(table, entry * 4) & 0x0fffffff
        : fat.bits == 16 ? Little<std::uint16_t>(table, entry * 2)
                         : Little<std::uint16_t>(table, entry * 3 / 2) >> (entry % 2 * 4) & 0xfff;
    if (next != 0) used.push_back(i);
  }
  if (used.size() > kMaxUsedFatBytes / fat.cluster_bytes)
    return absl::InvalidArgumentError("a FAT volume of data");
  for (const std::uint64_t cluster : used)
    RETURN_IF_ERROR(picker.Pick(volume, fat.data + cluster * fat.cluster_bytes, fat.cluster_bytes));
  return absl::OkStatus();
}

}  // namespace godwit::agent
