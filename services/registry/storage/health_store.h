// What the replication service last said of each server. Functions work on the connection of the
// caller.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/group_status.h"

namespace godwit::registry::storage {

struct ServerHealthRow {
  std::string server;  // "s-..."
  ServerHealth health = ServerHealth::kHealthy;
};

// Keeps what is new in it, with the time; servers that are not known here are passed over. At most
// 500 rows, each server once. Makes no version of a server and no history.
absl::Status SaveHealth(pg::Connection& connection, const std::vector<ServerHealthRow>& rows);

}  // namespace godwit::registry::storage
