// Reports of many agents saved by a few statements, however many they are. Functions work in the
// caller's transaction.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/replication/coordinator/domain/types.h"

namespace godwit::coordinator::store {

// Those of `ids` for which a point or a verification is ordered.
absl::StatusOr<std::set<std::string>> WithOrders(pg::Connection& connection,
                                                 const std::vector<std::string>& ids);

// A server after its agent's report, with what follows from it.
struct Reported {
  Server server;
  bool attempt = false;         // the agent was silent: a new attempt begins
  bool changed = false;         // another state or cause than before
  bool flowing = false;         // data flows now
  bool disks_progress = false;  // the figures of its disks are others than before
};
// Saves what BeginAttempt(), SaveReport() and SaveVerdict() save, of locked servers whose disks
// stay.
absl::Status SaveReports(pg::Connection& connection, const std::vector<Reported>& servers);

}  // namespace godwit::coordinator::store
