// Installation tokens: "godwit-<id>.<secret>". Only a hash of the secret is kept. The secret
// follows from the id and a key of the installation, so that a repeated request gets the same
// answer.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace godwit::registry {

inline constexpr absl::Duration kDefaultTokenLifetime = absl::Hours(24);
inline constexpr absl::Duration kMaxTokenLifetime = absl::Hours(24 * 30);
inline constexpr int kMaxTokenUses = 10'000;

struct InstallationToken {
  std::string id;  // "t-..."
  std::string secret_hash;
  absl::Time create_time, expire_time;
  int max_uses = 1;
  int use_count = 0;
  bool revoked = false;
  std::string description;
  std::string tags = "{}";  // JSON document
  // Ids of settings templates for new servers; empty: the default.
  std::string replication_template, launch_template;
};

struct TokenText {
  std::string id, secret;
};
// UNAUTHENTICATED when `text` has not the form of a token. The error never repeats the text.
absl::StatusOr<TokenText> ParseToken(absl::string_view text);

// The secret of token `id`; `key` is private to the installation.
std::string TokenSecret(absl::string_view key, absl::string_view id);
std::string FormatToken(absl::string_view id, absl::string_view secret);
// Lower-case hex SHA-256.
std::string HashOf(absl::string_view text);

// Why a token is not good; kGood when it is. The order is that of what an operator should hear.
enum class TokenVerdict { kGood, kWrongSecret, kRevoked, kExpired, kUsedUp };
// `used_by_this_key`: the same key enrolled with it before, which does not use it up again.
TokenVerdict Judge(const InstallationToken& token, absl::string_view secret, absl::Time now,
                   bool used_by_this_key);
// "TOKEN_EXPIRED".
absl::string_view ReasonOf(TokenVerdict verdict);

}  // namespace godwit::registry
