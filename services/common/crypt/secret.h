// Key material: random, wiped when it goes, never printed.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::crypt {

// Bytes that are overwritten before their memory is given back.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string bytes) : bytes_(std::move(bytes)) {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  Secret(Secret&& other) noexcept : bytes_(other.bytes_) { other.Wipe(); }
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { Wipe(); }
  const std::string& bytes() const { return bytes_; }
  const unsigned char* data() const {
    return reinterpret_cast<const unsigned char*>(bytes_.data());
  }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

 private:
  void Wipe();
  std::string bytes_;
};

// From the system's generator.
absl::StatusOr<Secret> RandomSecret(std::size_t size);

// AES-256-GCM with a random nonce: nonce (12), ciphertext, tag (16). `key` has 32 bytes;
// `associated` is bound to it and not kept.
inline constexpr std::size_t kWrapBytes = 12 + 16;  // more than what was wrapped
absl::StatusOr<std::string> Wrap(const Secret& key, absl::string_view associated,
                                 const Secret& secret);
// DATA_LOSS: another key, other associated data, or damaged.
absl::StatusOr<Secret> Unwrap(const Secret& key, absl::string_view associated,
                              absl::string_view wrapped);

// HKDF-SHA256: a key of 32 bytes for one purpose.
absl::StatusOr<Secret> DeriveKey(const Secret& key, absl::string_view purpose);

}  // namespace godwit::crypt
