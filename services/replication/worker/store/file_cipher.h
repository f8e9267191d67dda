// What the files of an encrypted group are encrypted with: each has a random key of its own, which
// the group's key wraps. Images have it in a header extension and in their LUKS header; our other
// files begin with a page for it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "services/common/block/block.h"
#include "services/common/crypt/group_key.h"
#include "services/common/crypt/xts.h"

namespace godwit::store {

class FileCipher;
using FileCipherPtr = std::shared_ptr<const FileCipher>;

// The key of one file. Thread-safe.
class FileCipher {
 public:
  FileCipher(crypt::GroupKeyPtr group, crypt::Secret key)
      : group_(std::move(group)), key_(std::move(key)) {}
  static absl::StatusOr<FileCipherPtr> Fresh(const crypt::GroupKeyPtr& group);
  // From the header extension of an image.
  static absl::StatusOr<FileCipherPtr> OfImage(const crypt::GroupKeyPtr& group,
                                               absl::string_view wrapped);
  absl::StatusOr<std::string> ForImage() const;
  // The used part of a LUKS header for it, crypt::kLuksUsedBytes.
  absl::StatusOr<std::string> LuksHeader() const;
  const crypt::Secret& key() const { return key_; }

 private:
  const crypt::GroupKeyPtr group_;
  const crypt::Secret key_;
};

// A page with wrapped keys. `purpose` tells one sort of files from another.
inline constexpr std::size_t kKeyPageBytes = 4096;
absl::StatusOr<std::string> MakeKeyPage(const crypt::GroupKey& group, absl::string_view purpose,
                                        const crypt::Secret& keys);
// `size` bytes of keys. DATA_LOSS: no such page, damaged, or of another group or purpose.
absl::StatusOr<crypt::Secret> ReadKeyPage(const crypt::GroupKey& group, absl::string_view purpose,
                                          absl::string_view page, std::size_t size);

// A whole file's content: a key page and what is encrypted behind it, and back to `size` bytes.
constexpr std::size_t EncryptedBytes(std::size_t size) {
  return kKeyPageBytes + (size + 511) / 512 * 512;
}
absl::StatusOr<std::string> EncryptContent(const crypt::GroupKeyPtr& group,
                                           absl::string_view purpose, absl::string_view content);
absl::StatusOr<std::string> DecryptContent(const crypt::GroupKeyPtr& group,
                                           absl::string_view purpose, std::string content,
                                           std::size_t size);

}  // namespace godwit::store
