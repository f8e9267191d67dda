// Rows of replication.worker and the leases of servers. Functions work in the caller's transaction.
//
// A worker has one lease for all its servers; every heartbeat renews it. A server belongs to a
// worker from its placement on. It becomes free only (a) when the worker's lease ended, (b) when it
// was being released and the lease that was current at that moment ended, or (c) when the worker is
// shutting down and said that it does not hold it. Each placement raises the server's generation.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/replication/coordinator/domain/assignment.h"
#include "services/replication/coordinator/domain/types.h"

namespace godwit::coordinator::store {

// Takes effect until the end of the transaction: placement is one coordinator's work at a time.
absl::Status LockPlacement(pg::Connection& connection);
// The same without waiting; false when another coordinator is at it.
absl::StatusOr<bool> TryLockPlacement(pg::Connection& connection);

// What a worker says of one of its groups.
struct GroupReport {
  std::string server_id;
  std::int64_t generation = 0;
  bool connected = false;
  std::int64_t received_bytes = 0, allocated_bytes = 0;
  std::string error;
  StallCause cause = StallCause::kNone;
};
struct WorkerReport {
  std::string id;
  std::int64_t incarnation = 0;
  std::int64_t store_total_bytes = 0, store_free_bytes = 0;
  bool leaving = false;
  std::vector<GroupReport> groups;
};
struct LeasedGroup {
  std::string server_id;
  std::int64_t generation = 0;
  std::vector<Disk> disks;
};

// Saves the worker and gives its new incarnation. Servers it still has keep it, but get a new
// generation: another process may run under the former one. FAILED_PRECONDITION: it has another
// store than the one its servers are in.
absl::StatusOr<std::int64_t> RegisterWorker(pg::Connection& connection, const Worker& worker,
                                            absl::Duration lease);
// Renews the lease and saves what was reported. ABORTED: unknown worker or old incarnation.
absl::Status RenewWorker(pg::Connection& connection, const WorkerReport& report,
                         absl::Duration lease);
// Frees the servers that a worker that shuts down does not hold any more; releases the others. Ends
// the worker's lease when none is left.
absl::Status LetGo(pg::Connection& connection, const WorkerReport& report);
// Leases the worker has now, without those it must give up.
absl::StatusOr<std::vector<LeasedGroup>> ListLeases(pg::Connection& connection,
                                                    const std::string& worker_id);
// The incarnation is current: OK, else ABORTED. `store_id` (may be null) gets the worker's store.
absl::Status CheckIncarnation(pg::Connection& connection, const std::string& worker_id,
                              std::int64_t incarnation, std::string* store_id);

absl::StatusOr<Worker> LoadWorker(pg::Connection& connection, const std::string& id);
absl::StatusOr<std::vector<Worker>> ListWorkers(pg::Connection& connection,
                                                const std::string& after, int limit);
// NOT_FOUND: no such worker.
absl::Status SetDraining(pg::Connection& connection, const std::string& id, bool draining);

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
