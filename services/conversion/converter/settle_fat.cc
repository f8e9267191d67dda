#include "services/conversion/converter/settle_fat.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <vector>

#include "absl/base/internal/endian.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::convert {
namespace {

namespace endian = absl::little_endian;

constexpr std::size_t kEntry = 32, kMaxFolders = 4096, kMaxBytes = std::size_t{64} << 20;
constexpr std::uint64_t kLargestTable = std::uint64_t{64} << 20;

struct FatTime {
  std::uint16_t date = 0, time = 0;
};

FatTime ToFat(std::int64_t seconds) {
  const time_t when = seconds;
  tm parts{};
  gmtime_r(&when, &parts);
  return {static_cast<std::uint16_t>(std::clamp(parts.tm_year - 80, 0, 127) << 9 |
                                     (parts.tm_mon + 1) << 5 | parts.tm_mday),
          static_cast<std::uint16_t>(parts.tm_hour << 11 | parts.tm_min << 5 | parts.tm_sec / 2)};
}

// They compare like numbers.
std::uint32_t Number(FatTime time) { return std::uint32_t{time.date} << 16 | time.time; }

class Fat {
 public:
  explicit Fat(Fd fd) : fd_(std::move(fd)) {}

  absl::Status Open() {
    ASSIGN_OR_RETURN(const std::string boot, Read(0, 512));
    if (boot.size() < 512) return absl::FailedPreconditionError("no boot sector");
    sector_ = endian::Load16(boot.data() + 11);
    const std::uint64_t cluster_sectors = static_cast<unsigned char>(boot[13]);
    const std::uint64_t reserved = endian::Load16(boot.data() + 14);
    const std::uint64_t tables = static_cast<unsigned char>(boot[16]);
    root_entries_ = endian::Load16(boot.data() + 17);
    std::uint64_t total = endian::Load16(boot.data() + 19);
    std::uint64_t table_sectors = endian::Load16(boot.data() + 22);
    if (total == 0) total = endian::Load32(boot.data() + 32);
    if (table_sectors == 0) table_sectors = endian::Load32(boot.data() + 36);
    const bool power = sector_ >= 512 && sector_ <= 4096 && (sector_ & (sector_ - 1)) == 0;
    root_ = (reserved + tables * table_sectors) * sector_;
    data_ = root_ +
            (root_entries_ * kEntry + sector_ - 1) / std::max<std::uint64_t>(sector_, 1) * sector_;
    cluster_ = cluster_sectors * sector_;
    if (!power || cluster_ == 0 || tables == 0 || table_sectors * sector_ > kLargestTable ||
        total * sector_ <= data_)
      return absl::FailedPreconditionError("no FAT");
    clusters_ = (total * sector_ - data_) / cluster_;
    bits_ = clusters_ < 4085 ? 12 : clusters_ < 65525 ? 16 : 32;
    first_ = bits_ == 32 ? endian::Load32(boot.data() + 44) : 0;
    ASSIGN_OR_RETURN(table_, Read(reserved * sector_, table_sectors * sector_));
    return absl::OkStatus();
  }

  // `edit` changes the bytes of a folder's piece, adds folders that it sees, and says whether it
  // changed anything.
  template <typename Edit>
  absl::Status EachFolder(const Edit& edit) {
    std::vector<std::uint32_t> folders = {first_};
    std::set<std::uint32_t> seen;
    std::size_t bytes = 0;
    while (!folders.empty()) {
      std::uint32_t cluster = folders.back();
      folders.pop_back();
      const bool root = bits_ != 32 && cluster == first_;
      if (seen.size() > kMaxBytes / std::max<std::uint64_t>(cluster_, 512))
        return absl::FailedPreconditionError("too many folders");
      while (root || (cluster >= 2 && cluster < clusters_ + 2)) {
        // Chains may join and go in circles.
        if (!seen.insert(cluster).second) break;
        const std::uint64_t at = root ? root_ : data_ + (cluster - 2) * cluster_;
        const std::uint64_t size = root ? root_entries_ * kEntry : cluster_;
        if ((bytes += size) > kMaxBytes || folders.size() > kMaxFolders)
          return absl::FailedPreconditionError("too many folders");
        ASSIGN_OR_RETURN(std::string piece, Read(at, size));
        if (edit(&piece, &folders) &&
            pwrite(fd_.get(), piece.data(), piece.size(), static_cast<off_t>(at)) !=
                static_cast<ssize_t>(piece.size()))
          return ErrnoStatus("folder");
        if (root) break;
        cluster = Next(cluster);
      }
    }
    return fsync(fd_.get()) == 0 ? absl::OkStatus() : ErrnoStatus("fsync");
  }

 private:
  absl::StatusOr<std::string> Read(std::uint64_t at, std::uint64_t size) const {
    std::string bytes(size, '\0');
    const ssize_t got = pread(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (got < 0) return ErrnoStatus("reading");
    bytes.resize(static_cast<std::size_t>(got));
    return bytes;
  }
  std::uint32_t Next(std::uint32_t cluster) const {
    const std::size_t at = std::size_t{cluster} * static_cast<std::size_t>(bits_) / 8;
    if (at + 4 > table_.size() + (bits_ == 32 ? 0 : 2)) return 0;
    if (bits_ == 32) return endian::Load32(table_.data() + at) & 0x0fffffff;
    const std::uint32_t value = endian::Load16(table_.data() + at);
    return bits_ == 16 ? value : cluster % 2 == 0 ? value & 0xfff : value >> 4;
  }

  Fd fd_;
  std::uint64_t sector_ = 0, cluster_ = 0, clusters_ = 0, root_ = 0, root_entries_ = 0, data_ = 0;
  std::uint32_t first_ = 0;
  int bits_ = 0;
  std::string table_;
};

// Of one entry of a folder; true when it was changed.
bool SettleEntry(char* entry, FatTime first, FatTime last, FatTime stamp) {
  bool touched = false;
  for (const std::size_t at : {std::size_t{14}, std::size_t{22}}) {
    const FatTime now{endian::Load16(entry + at + 2), endian::Load16(entry + at)};
    if (Number(now) < Number(first) || Number(now) > Number(last)) continue;
    touched = true;
    endian::Store16(entry + at, stamp.time);
    endian::Store16(entry + at + 2, stamp.date);
    if (at == 14) entry[13] = 0;  // hundredths of a second
  }
  const std::uint16_t used = endian::Load16(entry + 18);
  if (touched && used >= first.date && used <= last.date) endian::Store16(entry + 18, stamp.date);
  return touched;
}

}  // namespace

absl::Status SettleFat(const std::string& device, std::int64_t first, std::int64_t last,
                       std::int64_t stamp) {
  Fd fd(open(device.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(device);
  Fat fat(std::move(fd));
  RETURN_IF_ERROR(fat.Open());
  const FatTime from = ToFat(first), to = ToFat(last), then = ToFat(stamp);
  return fat.EachFolder([&](std::string* piece, std::vector<std::uint32_t>* folders) {
    bool changed = false;
    for (std::size_t at = 0; at + kEntry <= piece->size(); at += kEntry) {
      char* const entry = piece->data() + at;
      const auto attributes = static_cast<unsigned char>(entry[11]);
      if (entry[0] == 0) break;                   // none behind it
      if ((attributes & 0x0f) == 0x0f) continue;  // a piece of a long name
      changed |= SettleEntry(entry, from, to, then);
      const bool deleted = static_cast<unsigned char>(entry[0]) == 0xe5;
      if ((attributes & 0x10) != 0 && !deleted && entry[0] != '.') {
        folders->push_back(std::uint32_t{endian::Load16(entry + 20)} << 16 |
                           endian::Load16(entry + 26));
      }
    }
    return changed;
  });
}

}  // namespace godwit::convert
