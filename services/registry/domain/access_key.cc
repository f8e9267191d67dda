#include "services/registry/domain/access_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"

namespace godwit::registry {
namespace {

constexpr absl::string_view kPrefix = "GWAK";
constexpr absl::string_view kIdLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
constexpr std::size_t kIdLength = 16;

std::string Associated(absl::string_view id) { return absl::StrCat("registry.access_key\n", id); }

absl::StatusOr<crypt::Secret> WrappingKey(const crypt::MasterKey& master) {
  return crypt::DeriveKey(master.key, "godwit registry access keys");
}

absl::StatusOr<crypt::Secret> Hmac(const crypt::Secret& key, absl::string_view text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  const bool ok =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), out, &size) != nullptr;
  crypt::Secret secret(std::string(reinterpret_cast<const char*>(out), size));
  OPENSSL_cleanse(out, sizeof out);
  if (!ok) return absl::InternalError("HMAC failed");
  return secret;
}

}  // namespace

std::string NewAccessKeyId() {
  std::uint8_t bytes[kIdLength];
  RandomBytes(bytes);
  std::string id(kPrefix);
  for (const std::uint8_t byte : bytes) id += kIdLetters[byte % kIdLetters.size()];
  return id;
}

bool IsAccessKeyId(absl::string_view id) {
  return id.size() == kPrefix.size() + kIdLength && absl::StartsWith(id, kPrefix) &&
         std::all_of(id.begin() + kPrefix.size(), id.end(),
                     [](char c) { return kIdLetters.find(c) != absl::string_view::npos; });
}

absl::StatusOr<crypt::Secret> NewAccessSecret() {
  ASSIGN_OR_RETURN(const crypt::Secret bytes, crypt::RandomSecret(kAccessSecretLength / 4 * 3));
  return crypt::Secret(absl::Base64Escape(bytes.bytes()));
}

absl::StatusOr<std::string> WrapAccessSecret(const crypt::MasterKey& master, absl::string_view id,
                                             const crypt::Secret& secret) {
  ASSIGN_OR_RETURN(const crypt::Secret key, WrappingKey(master));
  return crypt::Wrap(key, Associated(id), secret);
}

absl::StatusOr<crypt::Secret> UnwrapAccessSecret(const crypt::MasterKeys& keys,
                                                 const AccessKey& key) {
  const crypt::MasterKey* const master = keys.Find(key.master_key);
  if (master == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("accessKeys/", key.id, " is wrapped by master key ", key.master_key,
                     ", which is not in the registry's master key file"));
  }
  ASSIGN_OR_RETURN(const crypt::Secret wrapping, WrappingKey(*master));
  absl::StatusOr<crypt::Secret> secret =
      crypt::Unwrap(wrapping, Associated(key.id), key.wrapped_secret);
  RETURN_IF_ERROR(Annotate(secret.status(), absl::StrCat("accessKeys/", key.id)));
  return secret;
}

absl::StatusOr<crypt::Secret> SigningKeyOf(const crypt::Secret& secret, absl::string_view date,
                                           absl::string_view region, absl::string_view service) {
  crypt::Secret key(absl::StrCat("AWS4", secret.bytes()));
  for (const absl::string_view part : {date, region, service, absl::string_view("aws4_request")}) {
    ASSIGN_OR_RETURN(key, Hmac(key, part));
  }
  return key;
}

bool IsSigningDate(absl::string_view date, absl::Time now) {
  absl::Time day;
  if (date.size() != 8 || !std::all_of(date.begin(), date.end(), absl::ascii_isdigit) ||
      !absl::ParseTime("%Y-%m-%d",
                       absl::StrCat(date.substr(0, 4), "-", date.substr(4, 2), "-", date.substr(6)),
                       absl::UTCTimeZone(), &day, nullptr)) {
    return false;
  }
  return day > now - absl::Hours(72) && day < now + absl::Hours(48);
}

bool IsScopeWord(absl::string_view word) {
  return !word.empty() && word.size() <= 64 && std::all_of(word.begin(), word.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
  });
}

}  // namespace godwit::registry
