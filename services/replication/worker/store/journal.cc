#include "services/replication/worker/store/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "absl/base/internal/endian.h"
#include "services/common/base/status_macros.h"

namespace godwit::store {
namespace {

constexpr std::uint64_t kMaxBytes = std::uint64_t{16} << 30;

absl::Status WriteAll(int fd, const std::uint8_t* data, std::size_t size, std::uint64_t at,
                      const std::string& path) {
  while (size > 0) {
    const ssize_t done = pwrite(fd, data, size, static_cast<off_t>(at));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return ErrnoStatus(path);
    data += done;
    size -= static_cast<std::size_t>(done);
    at += static_cast<std::uint64_t>(done);
  }
  return absl::OkStatus();
}

// The records of a file up to the first torn one; *end is where that is.
absl::StatusOr<std::vector<Placed>> ReadRecords(int fd, const std::string& path,
                                                std::uint64_t* end) {
  struct stat info;
  if (fstat(fd, &info) != 0) return ErrnoStatus(path);
  if (static_cast<std::uint64_t>(info.st_size) > kMaxBytes) {
    return absl::DataLossError(path + ": too large for a journal");
  }
  std::vector<Placed> records;  // not reserved: the file may be a hole
  std::vector<std::uint8_t> chunk(kPlacedBytes * 4096);
  *end = 0;
  while (true) {
    const ssize_t got = pread(fd, chunk.data(), chunk.size(), static_cast<off_t>(*end));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(path);
    std::size_t used = 0;
    for (; used + kPlacedBytes <= static_cast<std::size_t>(got); used += kPlacedBytes) {
      Placed placed;
      if (!DecodePlaced(chunk.data() + used, &placed)) {
        *end += used;
        return records;
      }
      records.push_back(placed);
    }
    *end += used;
    if (used == 0) return records;
  }
}

}  // namespace

// block, offset, digest, then XXH3-64 of those 32 bytes.
void EncodePlaced(const Placed& placed, std::uint8_t* out) {
  absl::little_endian::Store64(out, placed.block);
  absl::little_endian::Store64(out + 8, placed.offset);
  std::memcpy(out + 16, placed.digest.bytes.data(), 16);
  absl::little_endian::Store64(out + 32, block::Checksum({out, 32}));
}

bool DecodePlaced(const std::uint8_t* in, Placed* placed) {
  if (absl::little_endian::Load64(in + 32) != block::Checksum({in, 32})) return false;
  placed->block = absl::little_endian::Load64(in);
  placed->offset = absl::little_endian::Load64(in + 8);
  std::memcpy(placed->digest.bytes.data(), in + 16, 16);
  return true;
}

absl::StatusOr<Journal> Journal::Open(const std::string& path, std::vector<Placed>* records) {
  Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(path);
  std::uint64_t end = 0;
  ASSIGN_OR_RETURN(*records, ReadRecords(fd.get(), path, &end));
  if (ftruncate(fd.get(), static_cast<off_t>(end)) != 0) return ErrnoStatus(path);
  return Journal(std::move(fd), path, end);
}

absl::StatusOr<std::vector<Placed>> Journal::Read(const std::string& path) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT) return std::vector<Placed>{};
  if (!fd.valid()) return ErrnoStatus(path);
  std::uint64_t end = 0;
  return ReadRecords(fd.get(), path, &end);
}

absl::Status Journal::Append(const std::vector<Placed>& records) {
  if (records.empty()) return absl::OkStatus();
  std::vector<std::uint8_t> bytes(records.size() * kPlacedBytes);
  for (std::size_t i = 0; i < records.size(); ++i) {
    EncodePlaced(records[i], bytes.data() + i * kPlacedBytes);
  }
  RETURN_IF_ERROR(WriteAll(fd_.get(), bytes.data(), bytes.size(), size_, path_));
  if (fdatasync(fd_.get()) != 0) return ErrnoStatus(path_);
  size_ += bytes.size();
  return absl::OkStatus();
}

}  // namespace godwit::store
