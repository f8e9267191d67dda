#include "services/registry/domain/installation_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/ids.h"

namespace godwit::registry {
namespace {

constexpr absl::string_view kPrefix = "godwit-";
constexpr std::size_t kMaxTokenSize = 200;

absl::Status Malformed() {
  return absl::UnauthenticatedError(
      "token: not an installation token; it looks like godwit-t-0123456789abcdef0.SECRET");
}

}  // namespace

absl::StatusOr<TokenText> ParseToken(absl::string_view text) {
  if (text.size() > kMaxTokenSize || !absl::ConsumePrefix(&text, kPrefix)) return Malformed();
  const std::size_t dot = text.find('.');
  if (dot == absl::string_view::npos || dot + 1 == text.size()) return Malformed();
  TokenText token{.id = std::string(text.substr(0, dot)),
                  .secret = std::string(text.substr(dot + 1))};
  if (!CheckId("token", "t-", token.id).ok()) return Malformed();
  return token;
}

std::string TokenSecret(absl::string_view key, absl::string_view id) {
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(id.data()), id.size(), mac, &size);
  std::string out;
  absl::WebSafeBase64Escape(absl::string_view(reinterpret_cast<const char*>(mac), size), &out);
  return out;
}

std::string FormatToken(absl::string_view id, absl::string_view secret) {
  return absl::StrCat(kPrefix, id, ".", secret);
}

std::string HashOf(absl::string_view text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof digest));
}

TokenVerdict Judge(const InstallationToken& token, absl::string_view secret, absl::Time now,
                   bool used_by_this_key) {
  const std::string hash = HashOf(secret);
  if (hash.size() != token.secret_hash.size() ||
      CRYPTO_memcmp(hash.data(), token.secret_hash.data(), hash.size()) != 0) {
    return TokenVerdict::kWrongSecret;
  }
  if (token.revoked) return TokenVerdict::kRevoked;
  if (now >= token.expire_time) return TokenVerdict::kExpired;
  if (!used_by_this_key && token.use_count >= token.max_uses) return TokenVerdict::kUsedUp;
  return TokenVerdict::kGood;
}

absl::string_view ReasonOf(TokenVerdict verdict) {
  switch (verdict) {
    case TokenVerdict::kGood:
      return "";
    case TokenVerdict::kWrongSecret:
      return "TOKEN_UNKNOWN";
    case TokenVerdict::kRevoked:
      return "TOKEN_REVOKED";
    case TokenVerdict::kExpired:
      return "TOKEN_EXPIRED";
    case TokenVerdict::kUsedUp:
      return "TOKEN_USED_UP";
  }
  return "";
}

}  // namespace godwit::registry
