#include "services/common/crypt/xts.h"

#include <algorithm>

#include "absl/base/internal/endian.h"

namespace godwit::crypt {

absl::StatusOr<Xts> Xts::Make(const Secret& key) {
  if (key.size() != kXtsKeyBytes) return absl::InternalError("XTS needs a key of 64 bytes");
  Context encrypt(EVP_CIPHER_CTX_new()), decrypt(EVP_CIPHER_CTX_new());
  if (encrypt == nullptr || decrypt == nullptr ||
      EVP_EncryptInit_ex(encrypt.get(), EVP_aes_256_xts(), nullptr, key.data(), nullptr) != 1 ||
      EVP_DecryptInit_ex(decrypt.get(), EVP_aes_256_xts(), nullptr, key.data(), nullptr) != 1) {
    return absl::InternalError("AES-256-XTS cannot be had from OpenSSL");
  }
  return Xts(std::move(encrypt), std::move(decrypt));
}

absl::Status Xts::Run(EVP_CIPHER_CTX* context, std::uint64_t first, std::size_t unit_bytes,
                      const std::uint8_t* in, std::uint8_t* out, std::size_t size) {
  unsigned char tweak[16] = {};
  for (std::size_t at = 0; at < size; at += unit_bytes) {
    const std::size_t unit = std::min(unit_bytes, size - at);
    absl::little_endian::Store64(tweak, first++);
    int done = 0;
    if (EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, tweak, -1) != 1 ||
        EVP_CipherUpdate(context, out + at, &done, in + at, static_cast<int>(unit)) != 1 ||
        static_cast<std::size_t>(done) != unit) {
      return absl::InternalError("AES-256-XTS failed");
    }
  }
  return absl::OkStatus();
}

absl::Status Xts::Encrypt(std::uint64_t first, std::size_t unit_bytes, const std::uint8_t* in,
                          std::uint8_t* out, std::size_t size) {
  return Run(encrypt_.get(), first, unit_bytes, in, out, size);
}

absl::Status Xts::Decrypt(std::uint64_t first, std::size_t unit_bytes, const std::uint8_t* in,
                          std::uint8_t* out, std::size_t size) {
  return Run(decrypt_.get(), first, unit_bytes, in, out, size);
}

}  // namespace godwit::crypt
