#include "services/common/crypt/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::crypt {
namespace {

constexpr std::size_t kNonce = 12, kTag = 16, kKey = 32;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

const unsigned char* Bytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    Wipe();
    bytes_ = other.bytes_;
    other.Wipe();
  }
  return *this;
}

void Secret::Wipe() {
  OPENSSL_cleanse(bytes_.data(), bytes_.size());
  bytes_.clear();
}

absl::StatusOr<Secret> RandomSecret(std::size_t size) {
  std::string bytes(size, '\0');
  if (RAND_priv_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size)) != 1)
    return absl::InternalError("the random generator failed");
  return Secret(std::move(bytes));
}

absl::StatusOr<std::string> Wrap(const Secret& key, absl::string_view associated,
                                 const Secret& secret) {
  if (key.size() != kKey) return absl::InternalError("wrapping needs a key of 32 bytes");
  std::string out(kNonce + secret.size() + kTag, '\0');
  auto* const at = reinterpret_cast<unsigned char*>(out.data());
  const Context context(EVP_CIPHER_CTX_new());
  int done = 0;
  const bool ok =
      context != nullptr && RAND_bytes(at, kNonce) == 1 &&
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), at) == 1 &&
      EVP_EncryptUpdate(context.get(), nullptr, &done, Bytes(associated),
                        static_cast<int>(associated.size())) == 1 &&
      EVP_EncryptUpdate(context.get(), at + kNonce, &done, secret.data(),
                        static_cast<int>(secret.size())) == 1 &&
      EVP_EncryptFinal_ex(context.get(), at + kNonce + done, &done) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTag, at + kNonce + secret.size()) ==
          1;
  return ok ? absl::StatusOr<std::string>(out) : absl::InternalError("AES-256-GCM failed");
}

absl::StatusOr<Secret> Unwrap(const Secret& key, absl::string_view associated,
                              absl::string_view wrapped) {
  if (key.size() != kKey) return absl::InternalError("unwrapping needs a key of 32 bytes");
  if (wrapped.size() < kWrapBytes) return absl::DataLossError("a wrapped key is too short");
  std::string out(wrapped.size() - kWrapBytes, '\0');
  std::string tag(wrapped.substr(wrapped.size() - kTag));
  auto* const at = reinterpret_cast<unsigned char*>(out.data());
  const Context context(EVP_CIPHER_CTX_new());
  int done = 0;
  const bool ok = context != nullptr &&
                  EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(),
                                     Bytes(wrapped)) == 1 &&
                  EVP_DecryptUpdate(context.get(), nullptr, &done, Bytes(associated),
                                    static_cast<int>(associated.size())) == 1 &&
                  EVP_DecryptUpdate(context.get(), at, &done, Bytes(wrapped) + kNonce,
                                    static_cast<int>(out.size())) == 1 &&
                  EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTag, tag.data()) == 1 &&
                  EVP_DecryptFinal_ex(context.get(), at + done, &done) == 1;
  Secret secret(std::move(out));
  if (!ok) return absl::DataLossError("a wrapped key is damaged or was wrapped with another key");
  return secret;
}

absl::StatusOr<Secret> DeriveKey(const Secret& key, absl::string_view purpose) {
  // HKDF with an empty salt and one block of output.
  const std::string salt(32, '\0'), info = absl::StrCat(purpose, std::string(1, '\1'));
  unsigned char extracted[EVP_MAX_MD_SIZE], expanded[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  const bool ok = HMAC(EVP_sha256(), salt.data(), static_cast<int>(salt.size()), key.data(),
                       key.size(), extracted, &size) != nullptr &&
                  HMAC(EVP_sha256(), extracted, static_cast<int>(size), Bytes(info), info.size(),
                       expanded, &size) != nullptr;
  Secret derived(std::string(reinterpret_cast<const char*>(expanded), 32));
  OPENSSL_cleanse(extracted, sizeof extracted);
  OPENSSL_cleanse(expanded, sizeof expanded);
  return ok ? absl::StatusOr<Secret>(std::move(derived)) : absl::InternalError("HMAC failed");
}

}  // namespace godwit::crypt
