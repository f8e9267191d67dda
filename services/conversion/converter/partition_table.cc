#include "services/conversion/converter/partition_table.h"

#include <algorithm>

#include "absl/base/internal/endian.h"

namespace godwit::convert {
namespace {

namespace endian = absl::little_endian;

constexpr std::uint64_t kAlignment = 2048;    // 1 MiB
constexpr std::uint64_t kBackupSectors = 33;  // GPT's copy at the end of the disk
constexpr std::uint64_t kFirstUsable = 34;    // behind a GPT of 128 entries
constexpr std::size_t kBootCodeBytes = 440;
constexpr std::size_t kMaxEntries = 128;
// As they lie on the disk (UEFI specification, 5.3.3).
constexpr char kEspType[] = "\x28\x73\x2a\xc1\x1f\xf8\xd2\x11\xba\x4b\x00\xa0\xc9\x3e\xc9\x3b";
constexpr char kBiosBootType[] = "Hah!IdontNeedEFI";

void Add(PartitionTable* table, const Partition& partition) {
  // Sums of hostile numbers: nothing behind the disk's end counts.
  if (partition.sectors == 0 || partition.start >= table->disk_sectors ||
      partition.sectors > table->disk_sectors - partition.start)
    return;
  table->partitions.push_back(partition);
  table->used_end = std::max(table->used_end, partition.start + partition.sectors);
  table->first_start =
      table->first_start == 0 ? partition.start : std::min(table->first_start, partition.start);
}

void ParseGpt(absl::string_view head, PartitionTable* table) {
  const absl::string_view header = head.substr(kSectorBytes, 92);
  table->kind = PartitionTable::Kind::kGpt;
  const std::uint64_t first = endian::Load64(header.data() + 72);
  // What lies there is the table itself, whatever the header says.
  table->usable_start = std::max<std::uint64_t>(endian::Load64(header.data() + 40), kFirstUsable);
  const std::size_t count = std::min<std::size_t>(endian::Load32(header.data() + 80), kMaxEntries);
  const std::size_t size = endian::Load32(header.data() + 84);
  table->usable_end =
      table->disk_sectors > kBackupSectors ? table->disk_sectors - kBackupSectors : 0;
  if (size < 128 || size > 4096 || first > head.size() / kSectorBytes) return;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = first * kSectorBytes + i * size;
    if (at + 128 > head.size()) break;
    const absl::string_view entry = head.substr(at, 128);
    const absl::string_view type = entry.substr(0, 16);
    if (type.find_first_not_of('\0') == absl::string_view::npos) {
      table->has_free_entry = true;
      continue;
    }
    const std::uint64_t start = endian::Load64(entry.data() + 32);
    const std::uint64_t last = endian::Load64(entry.data() + 40);
    if (last < start) continue;
    Add(table, {.number = static_cast<int>(i) + 1,
                .start = start,
                .sectors = last - start + 1,
                .is_esp = type == absl::string_view(kEspType, 16),
                .is_bios_boot = type == absl::string_view(kBiosBootType, 16)});
  }
}

}  // namespace

PartitionTable ParsePartitionTable(absl::string_view head, std::uint64_t disk_sectors) {
  PartitionTable table{.disk_sectors = disk_sectors};
  if (head.size() < 2 * kSectorBytes || head.substr(510, 2) != "\x55\xaa") return table;
  table.has_boot_code =
      head.substr(0, kBootCodeBytes).find_first_not_of('\0') != absl::string_view::npos;
  if (head.size() >= 2 * kSectorBytes + 128 && head.substr(kSectorBytes, 8) == "EFI PART") {
    ParseGpt(head, &table);
    return table;
  }
  table.kind = PartitionTable::Kind::kMbr;
  table.usable_end = std::min<std::uint64_t>(disk_sectors, 0xffffffffu);
  for (int i = 0; i < 4; ++i) {
    const char* const entry = head.data() + 446 + i * 16;
    const auto type = static_cast<unsigned char>(entry[4]);
    if (type == 0) {
      table.has_free_entry = true;
      continue;
    }
    Add(&table, {.number = i + 1,
                 .start = endian::Load32(entry + 8),
                 .sectors = endian::Load32(entry + 12),
                 .is_esp = type == 0xef});
  }
  // A volume without a table ends its first sector alike.
  if (table.partitions.empty()) table.kind = PartitionTable::Kind::kNone;
  return table;
}

std::uint64_t PlaceBehind(const PartitionTable& table, std::uint64_t sectors) {
  const std::uint64_t start =
      std::max(kAlignment, (table.used_end + kAlignment - 1) / kAlignment * kAlignment);
  return start <= table.usable_end && sectors <= table.usable_end - start ? start : 0;
}

std::uint64_t BytesNeeded(const PartitionTable& table, std::uint64_t sectors) {
  const std::uint64_t start =
      std::max(kAlignment, (table.used_end + kAlignment - 1) / kAlignment * kAlignment);
  return (start + sectors + kAlignment) * kSectorBytes;
}

Place PlaceBiosBoot(const PartitionTable& table, std::uint64_t least) {
  const std::uint64_t before = table.usable_start;
  if (before < table.first_start && table.first_start - before >= least)
    return {before, std::min(table.first_start - before, kAlignment)};
  const std::uint64_t behind = PlaceBehind(table, kAlignment);
  return behind == 0 ? Place{} : Place{behind, kAlignment};
}

}  // namespace godwit::convert
