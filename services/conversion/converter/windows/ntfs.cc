#include "services/conversion/converter/windows/ntfs.h"

#include "absl/base/internal/endian.h"
#include "absl/strings/match.h"
#include "services/common/base/status_macros.h"

namespace godwit::convert::windows {
namespace {

constexpr std::size_t kBootBytes = 512;
constexpr std::uint32_t kVolumeRecord = 3;
constexpr std::uint32_t kVolumeInformation = 0x70, kEnd = 0xffffffff;
constexpr std::uint16_t kDirty = 1;
constexpr std::uint32_t kMaxRecord = 65536;

}  // namespace

absl::StatusOr<bool> IsMarkedForCheck(const ReadAt& read) {
  ASSIGN_OR_RETURN(const std::string boot, read(0, kBootBytes));
  const absl::Status damaged = absl::InvalidArgumentError("the NTFS volume's records are damaged");
  if (boot.size() < kBootBytes || boot.compare(3, 8, "NTFS    ") != 0) return damaged;
  const std::uint32_t sector = absl::little_endian::Load16(boot.data() + 11);
  const auto per_cluster = static_cast<unsigned char>(boot[13]);
  // Large clusters are written as a negative power of two.
  const std::uint64_t sectors =
      per_cluster <= 128 ? per_cluster : std::uint64_t{1} << std::min(256 - per_cluster, 31);
  const std::uint64_t cluster = sectors * sector;
  const auto per_record = static_cast<signed char>(boot[64]);
  const std::uint64_t record_bytes = per_record > 0     ? per_record * cluster
                                     : per_record < -16 ? 0
                                                        : std::uint64_t{1} << -per_record;
  const std::uint64_t table = absl::little_endian::Load64(boot.data() + 48);
  if (cluster == 0 || record_bytes < 512 || record_bytes > kMaxRecord ||
      table > (std::uint64_t{1} << 60) / cluster) {
    return damaged;
  }
  ASSIGN_OR_RETURN(const std::string record,
                   read(table * cluster + kVolumeRecord * record_bytes, record_bytes));
  if (record.size() < record_bytes || !absl::StartsWith(record, "FILE")) return damaged;
  std::size_t at = absl::little_endian::Load16(record.data() + 20);
  while (at + 24 <= record.size()) {
    const std::uint32_t type = absl::little_endian::Load32(record.data() + at);
    const std::uint32_t size = absl::little_endian::Load32(record.data() + at + 4);
    if (type == kEnd || size < 24 || size > record.size() - at) break;
    if (type == kVolumeInformation) {
      const std::size_t value = at + absl::little_endian::Load16(record.data() + at + 20);
      if (value + 12 > record.size()) break;
      return (absl::little_endian::Load16(record.data() + value + 10) & kDirty) != 0;
    }
    at += size;
  }
  return damaged;
}

}  // namespace godwit::convert::windows
