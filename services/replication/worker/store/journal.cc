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

constexpr char kPurpose[] = "journal";

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

absl::Status Journal::TakeKeys(const crypt::GroupKeyPtr& group, const crypt::Secret& keys) {
  const std::string& bytes = keys.bytes();
  ASSIGN_OR_RETURN(crypt::Xts xts,
                   crypt::Xts::Make(crypt::Secret(bytes.substr(0, crypt::kXtsKeyBytes))));
  xts_.emplace(std::move(xts));
  cipher_ =
      std::make_shared<const FileCipher>(group, crypt::Secret(bytes.substr(crypt::kXtsKeyBytes)));
  return absl::OkStatus();
}

absl::Status Journal::MakeKeys(const crypt::GroupKeyPtr& group) {
  ASSIGN_OR_RETURN(const crypt::Secret keys, crypt::RandomSecret(2 * crypt::kXtsKeyBytes));
  ASSIGN_OR_RETURN(const std::string page, MakeKeyPage(*group, kPurpose, keys));
  // Durable with the first records; until then it holds nothing.
  RETURN_IF_ERROR(WriteAll(fd_.get(), reinterpret_cast<const std::uint8_t*>(page.data()),
                           page.size(), 0, path_));
  return TakeKeys(group, keys);
}

// The records up to the first torn one.
absl::StatusOr<std::vector<Placed>> Journal::ReadRecords(const crypt::GroupKeyPtr& group) {
  struct stat info;
  if (fstat(fd_.get(), &info) != 0) return ErrnoStatus(path_);
  if (static_cast<std::uint64_t>(info.st_size) > kMaxBytes) {
    return absl::DataLossError(path_ + ": too large for a journal");
  }
  std::vector<Placed> records;  // not reserved: the file may be a hole
  if (group != nullptr) {
    head_ = kKeyPageBytes;
    std::string page(kKeyPageBytes, '\0');
    const ssize_t got = pread(fd_.get(), page.data(), page.size(), 0);
    if (got < 0) return ErrnoStatus(path_);
    // A power cut before the first records were promised.
    if (got < static_cast<ssize_t>(page.size()) ||
        page.find_first_not_of('\0') == std::string::npos)
      return records;
    const auto keys = ReadKeyPage(*group, kPurpose, page, 2 * crypt::kXtsKeyBytes);
    RETURN_IF_ERROR(Annotate(keys.status(), path_));
    RETURN_IF_ERROR(TakeKeys(group, *keys));
  }
  std::vector<std::uint8_t> chunk(kPlacedBytes * 4096);
  while (true) {
    const ssize_t got =
        pread(fd_.get(), chunk.data(), chunk.size(), static_cast<off_t>(head_ + size_));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(path_);
    const std::size_t whole = static_cast<std::size_t>(got) / kPlacedBytes * kPlacedBytes;
    if (xts_) {
      RETURN_IF_ERROR(
          xts_->Decrypt(size_ / kPlacedBytes, kPlacedBytes, chunk.data(), chunk.data(), whole));
    }
    for (std::size_t at = 0; at < whole; at += kPlacedBytes, size_ += kPlacedBytes) {
      Placed placed;
      if (!DecodePlaced(chunk.data() + at, &placed)) return records;
      records.push_back(placed);
    }
    if (whole == 0) return records;
  }
}

absl::StatusOr<Journal> Journal::Open(const std::string& path, std::vector<Placed>* records,
                                      const crypt::GroupKeyPtr& group) {
  Fd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoStatus(path);
  Journal journal(std::move(fd), path);
  ASSIGN_OR_RETURN(*records, journal.ReadRecords(group));
  if (group != nullptr && journal.cipher_ == nullptr) RETURN_IF_ERROR(journal.MakeKeys(group));
  if (ftruncate(journal.fd_.get(), static_cast<off_t>(journal.head_ + journal.size_)) != 0)
    return ErrnoStatus(path);
  return journal;
}

absl::StatusOr<std::vector<Placed>> Journal::Read(const std::string& path,
                                                  const crypt::GroupKeyPtr& group,
                                                  FileCipherPtr* cipher) {
  Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid() && errno == ENOENT) return std::vector<Placed>{};
  if (!fd.valid()) return ErrnoStatus(path);
  Journal journal(std::move(fd), path);
  ASSIGN_OR_RETURN(std::vector<Placed> records, journal.ReadRecords(group));
  if (cipher != nullptr) *cipher = journal.cipher_;
  return records;
}

absl::Status Journal::Append(const std::vector<Placed>& records) {
  if (records.empty()) return absl::OkStatus();
  std::vector<std::uint8_t> bytes(records.size() * kPlacedBytes);
  for (std::size_t i = 0; i < records.size(); ++i) {
    EncodePlaced(records[i], bytes.data() + i * kPlacedBytes);
  }
  if (xts_) {
    RETURN_IF_ERROR(xts_->Encrypt(size_ / kPlacedBytes, kPlacedBytes, bytes.data(), bytes.data(),
                                  bytes.size()));
  }
  RETURN_IF_ERROR(WriteAll(fd_.get(), bytes.data(), bytes.size(), head_ + size_, path_));
  if (fdatasync(fd_.get()) != 0) return ErrnoStatus(path_);
  size_ += bytes.size();
  return absl::OkStatus();
}

}  // namespace godwit::store
