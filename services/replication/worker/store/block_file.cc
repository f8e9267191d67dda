#include "services/replication/worker/store/block_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "services/common/base/status_macros.h"

namespace godwit::store {
namespace {

constexpr std::size_t kDirectAlignment = 4096;
constexpr std::size_t kEncryptedAtOnce = std::size_t{1} << 20;

absl::Status WriteAll(int fd, block::Bytes bytes, std::uint64_t offset, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t done = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return ErrnoStatus(path);
    bytes = bytes.subspan(static_cast<std::size_t>(done));
    offset += static_cast<std::uint64_t>(done);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BlockFile> BlockFile::Open(const std::string& path, Mode mode) {
  BlockFile file;
  file.path_ = path;
  const int flags = O_CLOEXEC | (mode == Mode::kReadOnly ? O_RDONLY
                                 : mode == Mode::kCreate ? O_RDWR | O_CREAT | O_EXCL
                                                         : O_RDWR);
  file.buffered_ = Fd(open(path.c_str(), flags, 0640));
  if (!file.buffered_.valid()) return ErrnoStatus(path);
  file.direct_ =
      Fd(open(path.c_str(), (mode == Mode::kReadOnly ? O_RDONLY : O_RDWR) | O_DIRECT | O_CLOEXEC));
  return file;
}

absl::Status BlockFile::Encrypt(FileCipherPtr cipher, std::uint64_t head) {
  ASSIGN_OR_RETURN(crypt::Xts xts, crypt::Xts::Make(cipher->key()));
  xts_.emplace(std::move(xts));
  cipher_ = std::move(cipher);
  head_ = head;
  return absl::OkStatus();
}

absl::Status BlockFile::Write(std::uint64_t offset, block::MutableBytes bytes) {
  if (!xts_) return WritePlain(offset, bytes);
  // The caller's bytes stay what they are.
  block::AlignedBuffer buffer(std::min<std::size_t>(
      kEncryptedAtOnce,
      (bytes.size() + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment));
  for (offset += head_; !bytes.empty();) {
    const std::size_t part = std::min(bytes.size(), buffer.size());
    const std::size_t whole = (part + kDirectAlignment - 1) / kDirectAlignment * kDirectAlignment;
    // Whole sectors straight from the caller; the rest is zeroed first.
    const std::size_t direct = part / crypt::kSectorBytes * crypt::kSectorBytes;
    RETURN_IF_ERROR(xts_->Encrypt(offset / crypt::kSectorBytes, crypt::kSectorBytes, bytes.data(),
                                  buffer.data(), direct));
    std::memset(buffer.data() + direct, 0, whole - direct);
    std::memcpy(buffer.data() + direct, bytes.data() + direct, part - direct);
    RETURN_IF_ERROR(xts_->Encrypt((offset + direct) / crypt::kSectorBytes, crypt::kSectorBytes,
                                  buffer.data() + direct, buffer.data() + direct, whole - direct));
    RETURN_IF_ERROR(WritePlain(offset, buffer.bytes().first(whole)));
    bytes = bytes.subspan(part);
    offset += part;
  }
  return absl::OkStatus();
}

absl::Status BlockFile::Decrypt(std::uint64_t offset, block::MutableBytes bytes) const {
  return xts_->Decrypt(offset / crypt::kSectorBytes, crypt::kSectorBytes, bytes.data(),
                       bytes.data(), bytes.size());
}

absl::Status BlockFile::WritePlain(std::uint64_t offset, block::MutableBytes bytes) {
  const std::size_t tail = bytes.size() % kDirectAlignment;
  if (!direct_.valid()) return WriteAll(buffered_.get(), bytes, offset, path_);
  const std::size_t whole = bytes.size() - tail;
  if (whole > 0) RETURN_IF_ERROR(WriteAll(direct_.get(), bytes.first(whole), offset, path_));
  if (tail == 0) return absl::OkStatus();
  block::AlignedBuffer padded(kDirectAlignment);
  std::memcpy(padded.data(), bytes.data() + whole, tail);
  return WriteAll(direct_.get(), padded.bytes(), offset + whole, path_);
}

absl::Status BlockFile::Read(std::uint64_t offset, block::MutableBytes bytes) const {
  if (!xts_) return ReadPlain(offset, bytes);
  const std::size_t whole = bytes.size() / crypt::kSectorBytes * crypt::kSectorBytes;
  offset += head_;
  RETURN_IF_ERROR(ReadPlain(offset, bytes.first(whole)));
  RETURN_IF_ERROR(Decrypt(offset, bytes.first(whole)));
  if (whole == bytes.size()) return absl::OkStatus();
  std::uint8_t sector[crypt::kSectorBytes];
  RETURN_IF_ERROR(ReadPlain(offset + whole, sector));
  RETURN_IF_ERROR(Decrypt(offset + whole, sector));
  std::memcpy(bytes.data() + whole, sector, bytes.size() - whole);
  return absl::OkStatus();
}

absl::Status BlockFile::ReadPlain(std::uint64_t offset, block::MutableBytes bytes) const {
  while (!bytes.empty()) {
    const ssize_t done =
        pread(buffered_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return ErrnoStatus(path_);
    if (done == 0) {
      std::memset(bytes.data(), 0, bytes.size());
      return absl::OkStatus();
    }
    bytes = bytes.subspan(static_cast<std::size_t>(done));
    offset += static_cast<std::uint64_t>(done);
  }
  return absl::OkStatus();
}

absl::Status BlockFile::ReadOnce(std::uint64_t offset, block::MutableBytes bytes) const {
  const std::uint64_t from = offset + head_;
  block::MutableBytes left = bytes;
  for (offset = from; direct_.valid() && !left.empty();) {
    const ssize_t done = pread(direct_.get(), left.data(), left.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    // The end of the file need not be aligned.
    if (done <= 0 || done % static_cast<ssize_t>(kDirectAlignment) != 0) break;
    left = left.subspan(static_cast<std::size_t>(done));
    offset += static_cast<std::uint64_t>(done);
  }
  RETURN_IF_ERROR(ReadPlain(offset, left));
  return xts_ ? Decrypt(from, bytes) : absl::OkStatus();
}

absl::StatusOr<std::uint64_t> BlockFile::Size() const {
  const off_t end = lseek(buffered_.get(), 0, SEEK_END);
  if (end < 0) return ErrnoStatus(path_);
  return std::max(static_cast<std::uint64_t>(end), head_) - head_;
}

absl::Status BlockFile::PunchHole(std::uint64_t offset, std::uint64_t size) {
  if (fallocate(buffered_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                static_cast<off_t>(offset + head_), static_cast<off_t>(size)) == 0) {
    return absl::OkStatus();
  }
  if (errno != EOPNOTSUPP) return ErrnoStatus(path_);
  block::AlignedBuffer zeros(block::kBlockSize * block::kMaxFrameBlocks);
  while (size > 0) {
    const std::uint64_t part = std::min<std::uint64_t>(size, zeros.size());
    RETURN_IF_ERROR(Write(offset, zeros.bytes().first(part)));
    offset += part;
    size -= part;
  }
  return absl::OkStatus();
}

absl::Status BlockFile::Truncate(std::uint64_t size) {
  return ftruncate(buffered_.get(), static_cast<off_t>(size + head_)) == 0 ? absl::OkStatus()
                                                                           : ErrnoStatus(path_);
}

absl::Status BlockFile::Sync() {
  return fdatasync(buffered_.get()) == 0 ? absl::OkStatus() : ErrnoStatus(path_);
}

}  // namespace godwit::store
