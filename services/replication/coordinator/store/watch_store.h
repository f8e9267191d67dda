// What watches of replications ask the database, besides their changes (server_store.h). Functions
// work in the caller's transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/replication/coordinator/domain/types.h"
#include "services/replication/coordinator/domain/watch_place.h"

namespace godwit::coordinator::store {

// Ids of servers; nullopt: all.
using Among = std::optional<std::vector<std::string>>;

// The rows of `among` that there are, at this moment. `made_until_micros`: only those that were
// made up to that time. `limited` of the answer is false.
absl::StatusOr<Sight> LookAround(pg::Connection& connection, const Among& among,
                                 std::optional<std::int64_t> made_until_micros);
// Their ids.
absl::StatusOr<std::set<std::string>> ListIds(pg::Connection& connection, const Among& among);
// Those of `ids` that exist, with their disks, in the order of their ids: two statements, however
// many they are.
absl::StatusOr<std::vector<Server>> LoadServers(pg::Connection& connection,
                                                const std::vector<std::string>& ids);

}  // namespace godwit::coordinator::store
