// Rows of replication.worker and the leases of servers. Functions work in the caller's transaction.
//
// A worker has one lease for all its servers; every heartbeat renews it. A server belongs to a
// worker from its placement on. It becomes free only (a) when the worker's lease ended, (b) when it
// was being released and the lease that was current at that moment ended, or (c) when the worker is
// shutting down and said that it does not hold it. Each placement raises the server's generation.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/replication/coordinator/domain/types.h"

namespace godwit::coordinator::store {

// What a worker says of one of its groups.
struct GroupReport {
  std::string server_id;
  std::int64_t generation = 0;
  bool connected = false;
  std::int64_t received_bytes = 0, allocated_bytes = 0;
  std::string error;
  StallCause cause = StallCause::kNone;
  std::vector<std::pair<std::int64_t, std::int64_t>> point_sizes;  // epoch, own bytes; may be empty
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
  std::string settings;  // as the registry gave them
  std::vector<Disk> disks;
  // Of the settings; filled in by WorkerReports.
  bool encrypt_staging = false;
  int share_weight = 1;
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

}  // namespace godwit::coordinator::store
