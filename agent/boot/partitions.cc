#include "agent/boot/partitions.h"

#include <algorithm>
#include <bit>

#include "agent/boot/bytes.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace {

constexpr int kMaxLogical = 128;
constexpr std::uint32_t kMaxEntries = 1024;
constexpr std::size_t kTableAt = 446, kEntryBytes = 16;
constexpr std::uint8_t kProtective = 0xee;

struct Entry {
  std::uint8_t type = 0;
  std::uint64_t first = 0, count = 0;  // sectors
};

bool IsExtended(const Entry& entry) {
  return entry.type == 0x05 || entry.type == 0x0f || entry.type == 0x85;
}

bool HasTable(absl::string_view sector) { return Little<std::uint16_t>(sector, 510) == 0xaa55; }

Entry EntryOf(absl::string_view sector, int index) {
  const std::size_t at = kTableAt + static_cast<std::size_t>(index) * kEntryBytes;
  return {.type = Little<std::uint8_t>(sector, at + 4),
          .first = Little<std::uint32_t>(sector, at + 8),
          .count = Little<std::uint32_t>(sector, at + 12)};
}

class Tables {
 public:
  Tables(Picker& picker, std::uint32_t disk)
      : picker_(picker),
        size_(picker.disks()[disk].size_bytes),
        sector_(picker.disks()[disk].sector_bytes),
        volume_(PartOf(disk, 0, size_)) {}

  absl::StatusOr<std::vector<Partition>> Find() {
    if (size_ < 3 * std::uint64_t{sector_}) return std::move(found_);
    ASSIGN_OR_RETURN(const std::string head, picker_.Read(volume_, 0, 512));
    if (!HasTable(head)) return std::move(found_);
    bool gpt = false;
    for (int i = 0; i < 4; ++i) gpt = gpt || EntryOf(head, i).type == kProtective;
    if (gpt) {
      RETURN_IF_ERROR(ReadGpt());
      return std::move(found_);
    }
    for (int i = 0; i < 4; ++i) {
      const Entry entry = EntryOf(head, i);
      if (entry.type == 0) continue;
      Add(entry.first, entry.count);
      if (IsExtended(entry)) RETURN_IF_ERROR(ReadLogical(entry.first));
    }
    return std::move(found_);
  }

 private:
  void Add(std::uint64_t first, std::uint64_t count) {
    const std::uint64_t sectors = size_ / sector_;
    if (count == 0 || first == 0 || first >= sectors) return;
    found_.push_back({first * sector_, std::min(count, sectors - first) * sector_});
  }
  absl::Status ReadGpt() {
    ASSIGN_OR_RETURN(const std::string header, picker_.Read(volume_, sector_, 512));
    const std::uint64_t table = Little<std::uint64_t>(header, 72);
    const std::uint32_t count = std::min(Little<std::uint32_t>(header, 80), kMaxEntries),
                        bytes = Little<std::uint32_t>(header, 84);
    if (header.substr(0, 8) != "EFI PART" || !std::has_single_bit(bytes) || bytes < 128 ||
        bytes > 1024 || table < 2 || table >= size_ / sector_ ||
        std::uint64_t{count} * bytes > size_ - table * sector_)
      return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::string entries,
                     picker_.Read(volume_, table * sector_, std::size_t{count} * bytes));
    for (std::size_t at = 0; at < entries.size(); at += bytes) {
      const std::uint64_t first = Little<std::uint64_t>(entries, at + 32),
                          last = Little<std::uint64_t>(entries, at + 40);
      if (entries.find_first_not_of('\0', at) < at + 16 && last >= first)
        Add(first, last - first + 1);
    }
    return absl::OkStatus();
  }
  // Each logical partition has a table of its own before it, which names the next table.
  absl::Status ReadLogical(std::uint64_t container) {
    std::uint64_t table = container;
    for (int i = 0; i < kMaxLogical && table < size_ / sector_; ++i) {
      ASSIGN_OR_RETURN(const std::string sector, picker_.Read(volume_, table * sector_, 512));
      if (!HasTable(sector)) return absl::OkStatus();
      const Entry logical = EntryOf(sector, 0), next = EntryOf(sector, 1);
      if (logical.type != 0) Add(table + logical.first, logical.count);
      if (!IsExtended(next) || next.first == 0) return absl::OkStatus();
      table = container + next.first;
    }
    return absl::OkStatus();
  }

  Picker& picker_;
  const std::uint64_t size_;
  const std::uint32_t sector_;
  const Volume volume_;
  std::vector<Partition> found_;
};

}  // namespace

absl::StatusOr<std::vector<Partition>> FindPartitions(Picker& picker, std::uint32_t disk) {
  return Tables(picker, disk).Find();
}

}  // namespace godwit::agent
