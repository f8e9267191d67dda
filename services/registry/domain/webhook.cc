#include "services/registry/domain/webhook.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/check.h"
#include "services/common/base/status_macros.h"

namespace godwit::registry {
namespace {

constexpr std::size_t kSecretBytes = 32;
constexpr char kPurpose[] = "godwit registry webhooks";

std::string BoundTo(absl::string_view id) { return absl::StrCat("registry.webhook\n", id); }

}  // namespace

absl::StatusOr<crypt::Secret> NewWebhookSecret() { return crypt::RandomSecret(kSecretBytes); }

crypt::Secret FormatWebhookSecret(const crypt::Secret& secret) {
  return crypt::Secret(absl::StrCat("whsec_", absl::Base64Escape(secret.bytes())));
}

absl::StatusOr<std::string> WrapWebhookSecret(const crypt::MasterKey& master, absl::string_view id,
                                              const crypt::Secret& secret) {
  ASSIGN_OR_RETURN(const crypt::Secret wrapping, crypt::DeriveKey(master.key, kPurpose));
  return crypt::Wrap(wrapping, BoundTo(id), secret);
}

absl::StatusOr<crypt::Secret> UnwrapWebhookSecret(const crypt::MasterKeys& keys,
                                                  const Webhook& webhook) {
  const std::string name = absl::StrCat("webhooks/", webhook.id);
  const crypt::MasterKey* const master = keys.Find(webhook.master_key);
  if (master == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("the secret of ", name, " needs master key ", webhook.master_key,
                     ", which is not in the registry's master key file"));
  }
  ASSIGN_OR_RETURN(const crypt::Secret wrapping, crypt::DeriveKey(master->key, kPurpose));
  absl::StatusOr<crypt::Secret> opened =
      crypt::Unwrap(wrapping, BoundTo(webhook.id), webhook.wrapped_secret);
  if (!opened.ok()) return Annotate(opened.status(), name);
  return opened;
}

std::string SignWebhook(const crypt::Secret& secret, absl::string_view event_id,
                        std::int64_t timestamp, absl::string_view body) {
  const std::string content = absl::StrCat(event_id, ".", timestamp, ".", body);
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  GODWIT_CHECK(HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                    reinterpret_cast<const unsigned char*>(content.data()), content.size(), mac,
                    &size) != nullptr);
  return absl::StrCat(
      "v1,", absl::Base64Escape(absl::string_view(reinterpret_cast<const char*>(mac), size)));
}

absl::Duration RetryDelay(int attempt, absl::Duration least, absl::Duration most, double chance) {
  absl::Duration delay = least;
  for (int i = 1; i < attempt && delay < most; ++i) delay *= 2;
  return std::min(delay, most) * (0.5 + std::clamp(chance, 0.0, 1.0));
}

}  // namespace godwit::registry
