// What events told of the replication of each server. The database writes the events when these
// rows change (migrations/0020_replication_events.sql). Functions work on the connection of the
// caller.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/replication_told.h"

namespace godwit::registry::storage {

struct ToldRow {
  ReplicationTold told;
  absl::Time look_time;  // begin of the look that saw it, by the database's clock
};
// Of those of `servers` that have one. `lock`: until the transaction ends, in the order of the ids.
absl::StatusOr<std::map<std::string, ToldRow>> LoadTold(pg::Connection& connection,
                                                        const std::vector<std::string>& servers,
                                                        bool lock);
// Makes or replaces it, unless a look that began later has. Servers that are not known here are
// passed over.
absl::Status SaveTold(pg::Connection& connection, const std::string& server, const ToldRow& row);
absl::StatusOr<absl::Time> DatabaseTime(pg::Connection& connection);

}  // namespace godwit::registry::storage
