#include "services/conversion/converter/partitions.h"

#include <algorithm>

#include "absl/base/internal/endian.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"

namespace godwit::convert {
namespace {

constexpr int kMaxPartitions = 128;
constexpr std::size_t kSector = 512;

// The first three fields of a GUID on disk are little-endian.
std::string Guid(absl::string_view bytes) {
  const auto* const data = reinterpret_cast<const unsigned char*>(bytes.data());
  std::string guid =
      absl::StrFormat("%08x-%04x-%04x-", absl::little_endian::Load32(data),
                      absl::little_endian::Load16(data + 4), absl::little_endian::Load16(data + 6));
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
    const unsigned unit = absl::little_endian::Load16(bytes.data() + i);
    if (unit == 0) break;
    name.push_back(unit >= 0x20 && unit < 0x7f ? static_cast<char>(unit) : '_');
  }
  return name;
}

PartitionIds Gpt(absl::string_view head) {
  PartitionIds table{.kind = "gpt"};
  const char* const header = head.data() + kSector;
  const std::uint64_t lba = absl::little_endian::Load64(header + 72);
  const std::uint32_t count = absl::little_endian::Load32(header + 80);
  const std::uint32_t size = absl::little_endian::Load32(header + 84);
  if (size < 128 || size > 4096 || lba < 2 || lba > head.size() / kSector) return table;
  for (int i = 0; i < kMaxPartitions && i < static_cast<int>(std::min(count, 128u)); ++i) {
    const std::size_t at =
        static_cast<std::size_t>(lba) * kSector + static_cast<std::size_t>(i) * size;
    if (at + 128 > head.size()) break;
    const absl::string_view entry = head.substr(at, 128);
    if (std::all_of(entry.begin(), entry.begin() + 16, [](char c) { return c == 0; })) continue;
    table.partitions[i + 1] = {.uuid = Guid(entry.substr(16, 16)),
                               .label = Name(entry.substr(56, 72)),
                               .type = Guid(entry.substr(0, 16))};
  }
  return table;
}

}  // namespace

PartitionIds ParsePartitions(absl::string_view head) {
  if (head.size() < 2 * kSector || head.substr(510, 2) != "\x55\xaa") return {};
  if (head.substr(kSector, 8) == "EFI PART") return Gpt(head);
  const auto type = [&](int i) {
    return static_cast<unsigned char>(head[446 + 16 * static_cast<std::size_t>(i) + 4]);
  };
  // A file system's boot sector ends with the same two bytes: a table's entries begin with 0 or
  // 0x80.
  for (std::size_t i = 0; i < 4; ++i) {
    if ((head[446 + 16 * i] & 0x7f) != 0) return {};
  }
  if (type(0) == 0 && type(1) == 0 && type(2) == 0 && type(3) == 0) return {};
  PartitionIds table{.kind = "dos"};
  const std::uint32_t disk = absl::little_endian::Load32(head.data() + 440);
  for (int number = 1; number <= kMaxPartitions; ++number) {
    const unsigned code = number <= 4 ? type(number - 1) : 0;
    if (number <= 4 && code == 0) continue;
    table.partitions[number] = {.uuid = absl::StrFormat("%08x-%02x", disk, number),
                                .label = "",
                                .type = number <= 4 ? absl::StrFormat("%02x", code) : ""};
  }
  return table;
}

bool IsEfiSystemPartition(absl::string_view type) {
  return type == "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" || type == "ef";
}

}  // namespace godwit::convert
