// What users are limited to, in PostgreSQL (migrations/0019_scopes.sql, whose views say who reaches
// what). Functions work on the connection of the caller's transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/pg/connection.h"

namespace godwit::registry::storage {

inline constexpr int kMaxScopes = 10'000;

struct ScopeTag {
  std::string key;
  std::optional<std::string> value;  // nullopt: any
};
struct UserScope {
  std::string principal;  // "user/operator/alice"
  std::int64_t version = 0;
  std::string description, changed_by;
  std::vector<std::string> applications, waves;  // ids
  std::vector<ScopeTag> tags;
  absl::Time create_time, update_time;
};

// The version of a user's scope, locked until the transaction ends; 0: he has none. New scopes are
// made one at a time.
absl::StatusOr<std::int64_t> LockScope(pg::Connection& connection, const std::string& principal);
// In place of what there was, as the next version. NOT_FOUND: an application or wave that is not
// there. RESOURCE_EXHAUSTED: there are too many scopes.
absl::StatusOr<UserScope> SaveScope(pg::Connection& connection, const UserScope& scope);
// NOT_FOUND: he has none.
absl::Status DeleteScope(pg::Connection& connection, const std::string& principal);
// Oldest first, after (time, principal) of the last one of the page before. `principal`: his alone;
// empty: all.
absl::StatusOr<std::vector<UserScope>> ListScopes(pg::Connection& connection,
                                                  const std::string& principal,
                                                  absl::Time after_time,
                                                  const std::string& after_principal, int limit);

// Which of these names ("sourceServers/s-...", "applications/...", "waves/...") the user reaches;
// nullopt: he is not limited. Names must have no character that an array would take for its own.
absl::StatusOr<std::optional<std::set<std::string>>> NamesWithin(
    pg::Connection& connection, const std::string& principal,
    const std::vector<std::string>& names);
// All that he reaches, ascending; nullopt: he is not limited.
absl::StatusOr<std::optional<std::vector<std::string>>> AllNamesWithin(
    pg::Connection& connection, const std::string& principal);
// Keys of tags that some scope hangs on.
absl::StatusOr<std::set<std::string>> TagsOfScopes(pg::Connection& connection);

}  // namespace godwit::registry::storage
