// Which server is with which worker: ends of leases, releases, placements (see worker_store.h for
// the rules). Functions work in the caller's transaction.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/replication/coordinator/domain/assignment.h"

namespace godwit::coordinator::store {

// Takes effect until the end of the transaction: placement is one coordinator's work at a time.
absl::Status LockPlacement(pg::Connection& connection);
// The same without waiting; false when another coordinator is at it.
absl::StatusOr<bool> TryLockPlacement(pg::Connection& connection);

// Marks workers dead whose lease ended and frees their servers. Ids of the workers.
absl::StatusOr<std::vector<std::string>> Reap(pg::Connection& connection);
// Frees servers whose release is over. Returns their number.
absl::StatusOr<std::int64_t> FinishReleases(pg::Connection& connection);
// Begins to take a server from its worker.
absl::Status Release(pg::Connection& connection, const std::string& server_id);
// Takes a server without a lease out of placement (its staging goes).
absl::Status ForgetStore(pg::Connection& connection, const std::string& server_id);

// Disconnected servers whose staging may go now: undo window over, no clones.
absl::StatusOr<std::vector<std::string>> ListRemovable(pg::Connection& connection, int limit);
// (server, former store) pairs whose replica is not needed any more: a point exists in the new
// store.
absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ListMoved(
    pg::Connection& connection, int limit);
absl::Status ForgetOldStore(pg::Connection& connection, const std::string& server_id,
                            const std::string& store_id);

// Servers with a lease of a worker that drains: candidates to be released.
absl::StatusOr<std::vector<Waiting>> ListOnDraining(pg::Connection& connection,
                                                    const std::string& worker_id, int limit);
absl::StatusOr<std::int64_t> CountReleasing(pg::Connection& connection,
                                            const std::string& worker_id);
absl::StatusOr<std::vector<Waiting>> ListWaiting(pg::Connection& connection, int limit);
// Gives a free server to a worker under the next generation. False when it is not free any more.
absl::StatusOr<bool> Place(pg::Connection& connection, const Placement& placement);

}  // namespace godwit::coordinator::store
