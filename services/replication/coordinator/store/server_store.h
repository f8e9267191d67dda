// Rows of replication.server and replication.disk. Functions work in the caller's transaction.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/replication/coordinator/domain/types.h"
#include "services/replication/coordinator/domain/watch_place.h"

namespace godwit::coordinator::store {

// NOT_FOUND: no replication of that server.
absl::StatusOr<Server> LoadServer(pg::Connection& connection, const std::string& id);
// The same with its row locked; every change begins with it.
absl::StatusOr<Server> LockServer(pg::Connection& connection, const std::string& id);
// Those of `ids` that exist and that nobody else works on now, locked.
absl::StatusOr<std::vector<Server>> LockFreeServers(pg::Connection& connection,
                                                    const std::vector<std::string>& ids);
// Ids after `after`, in order.
absl::StatusOr<std::vector<Server>> ListServers(pg::Connection& connection,
                                                const std::string& after, int limit);
// The same, only those of `among`.
absl::StatusOr<std::vector<Server>> ListServersWithin(pg::Connection& connection,
                                                      const std::vector<std::string>& among,
                                                      const std::string& after, int limit);
// From here to the end of the transaction, which must have done nothing yet, all reads show one
// instant.
absl::Status ReadOneInstant(pg::Connection& connection);
struct Changes {
  std::string database;  // this cluster and time line
  Snapshot now;          // what this look sees
  std::vector<WatchRow> rows;
};
// Servers whose last change `seen` does not see, in no order.
absl::StatusOr<Changes> ListChanges(pg::Connection& connection, const Snapshot& seen);
// Servers whose row nobody wrote for `age`: their verdict may be out of date.
absl::StatusOr<std::vector<std::string>> ListUnjudged(pg::Connection& connection,
                                                      absl::Duration age, int limit);
// How many are to be replicated.
absl::StatusOr<std::int64_t> CountActive(pg::Connection& connection);

// Makes the row when there is none; sets the wish to replicate and begins an attempt.
absl::Status StartServer(pg::Connection& connection, const std::string& id);
// Sets the wish of a locked server.
absl::Status SetWish(pg::Connection& connection, const std::string& id, Wish wish, bool keep_agent,
                     std::optional<absl::Time> undo_until);
// Begins an attempt anew (Retry, assignment, return of a silent agent).
absl::Status BeginAttempt(pg::Connection& connection, const std::string& id);

// Saves what an agent reported (fields of Server from agent_seen_time to differences, disks). The
// disks replace the former ones. `server.now` becomes agent_seen_time.
absl::Status SaveReport(pg::Connection& connection, const Server& server);
// Saves state, cause, message and flow of a locked server; a change of state or cause raises the
// version and is written into the history.
absl::Status SaveVerdict(pg::Connection& connection, const Server& before, State state,
                         StallCause cause, const std::string& message, bool transferring,
                         bool flowing);
absl::Status SaveSettings(pg::Connection& connection, const std::string& id,
                          const std::string& settings,
                          const std::map<std::string, std::string>& worker_labels);
// The worker's lease of a locked server goes on under a new generation, in a new attempt. One that
// is being released keeps its generation.
absl::Status NewGeneration(pg::Connection& connection, const std::string& id);
// Raises the version and writes the present state into the history.
absl::Status Remember(pg::Connection& connection, const std::string& id);
// Of more than 90 days ago.
absl::Status ForgetHistory(pg::Connection& connection);

}  // namespace godwit::coordinator::store
