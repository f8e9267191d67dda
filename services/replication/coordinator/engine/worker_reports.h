// Workers register, renew their leases, report points and orders.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/pool.h"
#include "services/replication/coordinator/engine/ports.h"
#include "services/replication/coordinator/store/order_store.h"
#include "services/replication/coordinator/store/point_store.h"
#include "services/replication/coordinator/store/worker_store.h"

namespace godwit::coordinator {

struct WorkerAnswer {
  std::vector<store::LeasedGroup> leases;
  std::vector<store::Order> orders;
};

// The outcome of an order.
struct OrderReport {
  std::string worker_id;
  std::int64_t incarnation = 0;
  std::string order_id;
  absl::Status status;
  std::vector<store::CloneDisk> clone_disks;
};

// Thread-safe.
class WorkerReports {
 public:
  // `pool` must outlive it.
  WorkerReports(pg::Pool& pool, absl::Duration lease, DecodeSettings decode)
      : pool_(pool), lease_(lease), decode_(std::move(decode)) {}

  absl::Duration lease() const { return lease_; }
  absl::StatusOr<std::int64_t> Register(const Worker& worker);
  // ABORTED: register again.
  absl::StatusOr<WorkerAnswer> Heartbeat(const store::WorkerReport& report);
  // ABORTED: incarnation or generation are not current. `request_id` may be empty. The id and the
  // store of `point` are filled in here. Idempotent.
  absl::Status ReportPoint(const std::string& worker_id, std::int64_t incarnation,
                           store::Point point, const std::string& request_id);
  // Idempotent; unknown orders are fine (they were forgotten after they had ended).
  absl::Status ReportOrder(const OrderReport& report);

 private:
  pg::Pool& pool_;
  const absl::Duration lease_;
  const DecodeSettings decode_;
};

}  // namespace godwit::coordinator
