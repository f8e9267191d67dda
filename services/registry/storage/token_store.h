// Installation tokens in PostgreSQL. Functions work on the connection of the caller's transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/installation_token.h"

namespace godwit::registry::storage {

absl::StatusOr<InstallationToken> InsertToken(pg::Connection& connection,
                                              const InstallationToken& token);
// NOT_FOUND "tokens/t-...". Locked until the transaction ends.
absl::StatusOr<InstallationToken> LockToken(pg::Connection& connection, const std::string& id);
// Oldest first, after (time, id) of the last one of the page before.
absl::StatusOr<std::vector<InstallationToken>> ListTokens(pg::Connection& connection,
                                                          absl::Time after_time,
                                                          const std::string& after_id, int limit);
absl::StatusOr<InstallationToken> RevokeToken(pg::Connection& connection, const std::string& id);

// The oldest token, neither revoked nor expired, that names the template; its id.
absl::StatusOr<std::optional<std::string>> LiveTokenOfTemplate(pg::Connection& connection,
                                                               const std::string& template_id,
                                                               absl::Time now);

// Whether the key enrolled with the token before.
absl::StatusOr<bool> TokenUsedBy(pg::Connection& connection, const std::string& id,
                                 const std::string& public_key_hash);
// Counts a use of a locked token; the same key counts once.
absl::Status UseToken(pg::Connection& connection, const std::string& id,
                      const std::string& public_key_hash, const std::string& server_id);

}  // namespace godwit::registry::storage
