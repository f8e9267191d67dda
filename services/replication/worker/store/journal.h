// Journal of a file that is still open: which blocks it holds durably, where, with which digest.
// Appended after the data was synced, so every record in it is true after a power cut; a torn tail
// is cut off by its checksum.
//
// In an encrypted group it begins with a page for two keys: that of its records (each a unit of
// XTS by its number) and that of the file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/base/file.h"
#include "services/common/block/hash.h"
#include "services/replication/worker/store/file_cipher.h"

namespace godwit::store {

// Where a block's content is.
struct Placed {
  static constexpr std::uint64_t kZero = ~std::uint64_t{0};
  std::uint64_t block = 0;
  std::uint64_t offset = 0;  // in the file, or kZero
  block::Digest digest;
};

// Not thread-safe.
class Journal {
 public:
  // Opens `path` or makes it; `*records` receives what it holds, in the order of writing (later
  // ones win). With `group` it is encrypted.
  static absl::StatusOr<Journal> Open(const std::string& path, std::vector<Placed>* records,
                                      const crypt::GroupKeyPtr& group = nullptr);
  // Reads without opening for writing. No file: empty. *cipher: of the file; null without `group`
  // or when nothing was read.
  static absl::StatusOr<std::vector<Placed>> Read(const std::string& path,
                                                  const crypt::GroupKeyPtr& group = nullptr,
                                                  FileCipherPtr* cipher = nullptr);
  // Of the file; null: not encrypted.
  const FileCipherPtr& cipher() const { return cipher_; }
  // Appends and syncs.
  absl::Status Append(const std::vector<Placed>& records);

 private:
  Journal(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  // Sets size_ to their end. An encrypted journal without a whole key page holds nothing.
  absl::StatusOr<std::vector<Placed>> ReadRecords(const crypt::GroupKeyPtr& group);
  absl::Status TakeKeys(const crypt::GroupKeyPtr& group, const crypt::Secret& keys);
  absl::Status MakeKeys(const crypt::GroupKeyPtr& group);
  Fd fd_;
  std::string path_;
  std::uint64_t head_ = 0, size_ = 0;  // bytes before the records, and of them
  FileCipherPtr cipher_;
  std::optional<crypt::Xts> xts_;
};

// Records in the form of journals and layer tables, 40 bytes each.
inline constexpr std::size_t kPlacedBytes = 40;
void EncodePlaced(const Placed& placed, std::uint8_t* out);
// False: the checksum is wrong.
bool DecodePlaced(const std::uint8_t* in, Placed* placed);

}  // namespace godwit::store
