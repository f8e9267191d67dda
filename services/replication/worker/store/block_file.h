// A file of 64 KiB blocks written with direct I/O where the file system has it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "services/common/base/file.h"
#include "services/common/block/block.h"
#include "services/replication/worker/store/file_cipher.h"

namespace godwit::store {

// Not thread-safe.
class BlockFile {
 public:
  enum class Mode { kCreate, kOpen, kReadOnly };
  static absl::StatusOr<BlockFile> Open(const std::string& path, Mode mode);
  const std::string& path() const { return path_; }
  int fd() const { return buffered_.get(); }

  // From now on what the calls below write and read is encrypted on the medium, by its place in the
  // file (sectors of 512 bytes from its beginning, as QEMU counts them). They do not reach the
  // first `head` bytes, a multiple of 4096. Offsets are multiples of 512 then, and holes read as
  // noise.
  absl::Status Encrypt(FileCipherPtr cipher, std::uint64_t head = 0);
  // Null: not encrypted.
  const FileCipherPtr& cipher() const { return cipher_; }

  // `bytes` at a 4096-byte aligned address. Room behind a short end up to the next 4096 is zeroed.
  absl::Status Write(std::uint64_t offset, block::MutableBytes bytes);
  // Bytes behind the end of the file read as zeros.
  absl::Status Read(std::uint64_t offset, block::MutableBytes bytes) const;
  // The same past the page cache where that is possible: for what is read once. Offset, address and
  // size are multiples of 4096.
  absl::Status ReadOnce(std::uint64_t offset, block::MutableBytes bytes) const;
  // Reads as zeros from now on; gives the space back where the file system can.
  absl::Status PunchHole(std::uint64_t offset, std::uint64_t size);
  absl::Status Truncate(std::uint64_t size);
  absl::Status Sync();
  // Behind the head.
  absl::StatusOr<std::uint64_t> Size() const;

  // As it is on the medium, from the beginning of the file: headers and tables.
  absl::Status WritePlain(std::uint64_t offset, block::MutableBytes bytes);
  absl::Status ReadPlain(std::uint64_t offset, block::MutableBytes bytes) const;

 private:
  absl::Status Decrypt(std::uint64_t offset, block::MutableBytes bytes) const;
  std::string path_;
  FileCipherPtr cipher_;
  mutable std::optional<crypt::Xts> xts_;
  std::uint64_t head_ = 0;
  Fd direct_;  // invalid where the file system has no direct I/O
  Fd buffered_;
};

}  // namespace godwit::store
