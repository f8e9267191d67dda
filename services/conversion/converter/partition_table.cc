#include "services/conversion/converter/partition_table.h"

#include <algorithm>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_format.h"

namespace godwit::convert {
namespace {

namespace endian = absl::little_endian;

constexpr std::uint64_t kAlignment = 2048;    // 1 MiB
constexpr std::uint64_t kBackupSectors = 33;  // GPT's copy at the end of the disk
constexpr std::uint64_t kFirstUsable = 34;    // behind a GPT of 128 entries
constexpr std::size_t kBootCodeBytes = 440;
constexpr int kMaxEntries = 128;
// UEFI specification, 5.3.3; GRUB manual, "BIOS installation".
constexpr char kEspType[] = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
constexpr char kMbrEspType[] = "ef";
constexpr char kBiosBootType[] = "21686148-6449-6e6f-744e-656564454649";

// The first three fields of a GUID on disk are little-endian.
std::string Guid(absl::string_view bytes) {
  const auto* const data = reinterpret_cast<const unsigned char*>(bytes.data());
  std::string guid = absl::StrFormat("%08x-%04x-%04x-", endian::Load32(data),
                                     endian::Load16(data + 4), endian::Load16(data + 6));
  for (int i = 8; i < 16; ++i) {
    if (i == 10) guid.push_back('-');
    absl::StrAppendFormat(&guid, "%02x", data[i]);
  }
  return guid;
}

// UTF-16, little-endian.
std::string Name(absl::string_view bytes) {
  std::string name;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    const unsigned unit = endian::Load16(bytes.data() + i);
    if (unit == 0) break;
    name.push_back(unit >= 0x20 && unit < 0x7f ? static_cast<char>(unit) : '_');
  }
  return name;
}

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
  const auto count = static_cast<int>(
      std::min<std::uint32_t>(endian::Load32(header.data() + 80), std::uint32_t{kMaxEntries}));
  const std::size_t size = endian::Load32(header.data() + 84);
  table->usable_end =
      table->disk_sectors > kBackupSectors ? table->disk_sectors - kBackupSectors : 0;
  if (size < 128 || size > 4096 || first < 2 || first > head.size() / kSectorBytes) return;
  for (int number = 1; number <= count; ++number) {
    const std::size_t at = first * kSectorBytes + static_cast<std::size_t>(number - 1) * size;
    if (at + 128 > head.size()) break;
    const absl::string_view entry = head.substr(at, 128);
    if (entry.substr(0, 16).find_first_not_of('\0') == absl::string_view::npos) {
      table->has_free_entry = true;
      continue;
    }
    const std::string type = Guid(entry.substr(0, 16));
    table->ids[number] = {
        .uuid = Guid(entry.substr(16, 16)), .label = Name(entry.substr(56, 72)), .type = type};
    const std::uint64_t start = endian::Load64(entry.data() + 32);
    const std::uint64_t last = endian::Load64(entry.data() + 40);
    if (last < start) continue;
    Add(table, {.number = number,
                .start = start,
                .sectors = last - start + 1,
                .is_esp = type == kEspType,
                .is_bios_boot = type == kBiosBootType});
  }
}

void ParseMbr(absl::string_view head, PartitionTable* table) {
  const auto entry = [&](int number) { return head.data() + 446 + (number - 1) * 16; };
  // A file system's boot sector ends with the same two bytes: a table's entries begin with 0 or
  // 0x80.
  for (int number = 1; number <= 4; ++number) {
    if ((*entry(number) & 0x7f) != 0) return;
  }
  const std::uint32_t disk = endian::Load32(head.data() + 440);
  for (int number = 1; number <= kMaxEntries; ++number) {
    PartitionId id{.uuid = absl::StrFormat("%08x-%02x", disk, number)};
    if (number <= 4) {
      id.type = absl::StrFormat("%02x", static_cast<unsigned char>(entry(number)[4]));
      if (id.type == "00") {
        table->has_free_entry = true;
        continue;
      }
      Add(table, {.number = number,
                  .start = endian::Load32(entry(number) + 8),
                  .sectors = endian::Load32(entry(number) + 12),
                  .is_esp = id.type == kMbrEspType});
    }
    table->ids[number] = std::move(id);
  }
  // The same bytes, and no partition.
  if (table->partitions.empty()) {
    table->ids.clear();
    return;
  }
  table->kind = PartitionTable::Kind::kMbr;
  table->usable_end = std::min<std::uint64_t>(table->disk_sectors, 0xffffffffu);
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
  ParseMbr(head, &table);
  return table;
}

bool IsEfiSystemPartition(absl::string_view type) {
  return type == kEspType || type == kMbrEspType;
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
