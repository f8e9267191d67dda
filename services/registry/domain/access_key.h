// Access keys: how they look, how their secrets are kept, and what gateways get of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/common/crypt/master_keys.h"
#include "services/common/crypt/secret.h"

namespace godwit::registry {

inline constexpr std::size_t kAccessSecretLength = 40;

struct AccessKey {
  std::string id;  // "GWAK" + 16 of A-Z and 2-7
  std::int64_t version = 1;
  std::string principal;       // "user/operator/ci"
  std::string wrapped_secret;  // bound to the id; see WrapAccessSecret
  std::string master_key;      // id of the master key that wraps it
  int lifecycle_profile = 0;   // numbers of AccessKey.LifecycleProfile
  std::string description;
  bool disabled = false;
  absl::Time create_time;
  std::optional<absl::Time> last_use_time;
};

std::string NewAccessKeyId();
bool IsAccessKeyId(absl::string_view id);
// 40 characters of A-Z, a-z, 0-9, + and /: 240 bits of the system's generator.
absl::StatusOr<crypt::Secret> NewAccessSecret();

// AES-256-GCM with a key that follows from the master key, the table and id as associated data: a
// secret that is moved to another row does not open.
absl::StatusOr<std::string> WrapAccessSecret(const crypt::MasterKey& master, absl::string_view id,
                                             const crypt::Secret& secret);
// FAILED_PRECONDITION: the master key is not in the file. DATA_LOSS: damaged or of another row.
absl::StatusOr<crypt::Secret> UnwrapAccessSecret(const crypt::MasterKeys& keys,
                                                 const AccessKey& key);

// What signatures of AWS Signature Version 4 are made with, for one day, region and service.
absl::StatusOr<crypt::Secret> SigningKeyOf(const crypt::Secret& secret, absl::string_view date,
                                           absl::string_view region, absl::string_view service);

// Whether `date` is YYYYMMDD and within two days of `now`.
bool IsSigningDate(absl::string_view date, absl::Time now);
// 1 to 64 characters of a-z, 0-9 and dash.
bool IsScopeWord(absl::string_view word);

}  // namespace godwit::registry
