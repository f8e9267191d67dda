// AES-256-XTS with the number of the data unit as tweak ("plain64": little endian, the rest zeros),
// as LUKS and QEMU have it. It hides content; it does not find out that somebody changed it.
#pragma once

#include <openssl/evp.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "services/common/crypt/secret.h"

namespace godwit::crypt {

inline constexpr std::size_t kXtsKeyBytes = 64;
inline constexpr std::size_t kSectorBytes = 512;

// Not thread-safe.
class Xts {
 public:
  static absl::StatusOr<Xts> Make(const Secret& key);  // kXtsKeyBytes
  // Units of `unit_bytes` (at least 16), the first one has number `first`; the last may be shorter
  // (at least 16). `in` and `out` may be the same.
  absl::Status Encrypt(std::uint64_t first, std::size_t unit_bytes, const std::uint8_t* in,
                       std::uint8_t* out, std::size_t size);
  absl::Status Decrypt(std::uint64_t first, std::size_t unit_bytes, const std::uint8_t* in,
                       std::uint8_t* out, std::size_t size);

 private:
  struct Free {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  };
  using Context = std::unique_ptr<EVP_CIPHER_CTX, Free>;
  Xts(Context encrypt, Context decrypt)
      : encrypt_(std::move(encrypt)), decrypt_(std::move(decrypt)) {}
  absl::Status Run(EVP_CIPHER_CTX* context, std::uint64_t first, std::size_t unit_bytes,
                   const std::uint8_t* in, std::uint8_t* out, std::size_t size);
  Context encrypt_, decrypt_;
};

}  // namespace godwit::crypt
