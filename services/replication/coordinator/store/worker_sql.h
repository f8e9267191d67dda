// What worker_store.cc and placement_store.cc share.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "services/common/base/status_macros.h"
#include "services/common/pg/connection.h"
#include "services/replication/coordinator/store/server_store.h"

namespace godwit::coordinator::store {

// Columns of a server that is free.
#define GODWIT_FREE                                                                      \
  "worker_id = null, releasing = false, release_until = null, unassigned_since = now()," \
  " attempt_time = clock_timestamp(), group_connected = false, group_error = '',"        \
  " group_cause = 0, update_time = clock_timestamp()"

// Writes the history of servers whose ids are the first column.
inline absl::Status RememberAll(pg::Connection& connection, const pg::Result& changed) {
  for (int i = 0; i < changed.rows(); ++i) {
    RETURN_IF_ERROR(Remember(connection, std::string(changed.Text(i, 0))));
  }
  return absl::OkStatus();
}

}  // namespace godwit::coordinator::store
