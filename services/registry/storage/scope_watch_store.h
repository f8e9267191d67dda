// What watches of limited users ask the database: what is within a scope, and what was when it was
// deleted (migrations/0022_scope_gone.sql). Functions work on the connection of the caller.
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

// Ids of all servers that the user reaches; nullopt: he is not limited.
absl::StatusOr<std::optional<std::set<std::string>>> ServersWithin(pg::Connection& connection,
                                                                   const std::string& principal);
// Ids of all servers.
absl::StatusOr<std::set<std::string>> AllServers(pg::Connection& connection);
// Ids of servers that came after the event of this number.
absl::StatusOr<std::set<std::string>> CreatedSince(pg::Connection& connection,
                                                   std::int64_t sequence);
// Ids of servers that were deleted after the event of this number, and that the user reached then.
absl::StatusOr<std::set<std::string>> GoneSince(pg::Connection& connection,
                                                const std::string& principal,
                                                std::int64_t sequence);
// Those of `names` ("sourceServers/s-...", "applications/...", "waves/...") that are deleted and
// that the user reached then.
absl::StatusOr<std::set<std::string>> GoneOf(pg::Connection& connection,
                                             const std::string& principal,
                                             const std::vector<std::string>& names);
// Deletes what is older, at most 10,000 rows a call.
absl::Status ForgetGone(pg::Connection& connection, absl::Duration age);

}  // namespace godwit::registry::storage
