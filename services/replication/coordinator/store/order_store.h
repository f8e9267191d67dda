// Rows of replication.worker_order and replication.clone. Functions work in the caller's
// transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"

namespace godwit::coordinator::store {

enum class OrderKind { kCreateClone = 1, kDeleteClone = 2, kDeletePoints = 3, kRemoveStaging = 4 };
struct Order {
  std::string id, server_id, store_id;
  OrderKind kind = OrderKind::kCreateClone;
  std::string clone_id;
  std::int64_t clone_epoch = 0;      // of kCreateClone
  std::vector<std::int64_t> epochs;  // of kDeletePoints
  std::int64_t generation = 0;       // of the server's lease; 0 when it needs none
  int attempt_count = 0;
  bool open = true;
};

absl::Status InsertOrder(pg::Connection& connection, const Order& order);
// What the worker shall do now: orders of servers it has the lease of, and removals of staging in
// its store that nobody has a lease on. Oldest first.
absl::StatusOr<std::vector<Order>> ListOrdersFor(pg::Connection& connection,
                                                 const std::string& worker_id,
                                                 const std::string& store_id, int limit);
// Locked. NOT_FOUND: no such order.
absl::StatusOr<Order> LockOrder(pg::Connection& connection, const std::string& id);
absl::Status FinishOrder(pg::Connection& connection, const std::string& id, bool succeeded,
                         const std::string& error);
// Given out again after `delay`.
absl::Status DelayOrder(pg::Connection& connection, const std::string& id, absl::Duration delay,
                        const std::string& error);
// An open order of that kind for that store (empty: any store).
absl::StatusOr<bool> HasOpenOrder(pg::Connection& connection, const std::string& server_id,
                                  OrderKind kind, const std::string& store_id);
// Ended ones of former days.
absl::Status ForgetOrders(pg::Connection& connection);

enum class CloneState { kMaking = 1, kReady = 2, kDeleting = 3, kFailed = 4, kGone = 5 };
struct CloneDisk {
  std::string disk_id, device_name;
  std::int64_t size_bytes = 0;
  bool is_boot_disk = false;
  std::string path, nbd_uri;
};
struct Clone {
  std::string id, request_id, server_id;
  std::string point_id;  // empty: of what arrived before the first point
  CloneState state = CloneState::kMaking;
  std::vector<CloneDisk> disks;  // boot disk first
  int error_code = 0;
  std::string error_message;
  absl::Time create_time;
};

// ALREADY_EXISTS: the request made one before.
absl::Status InsertClone(pg::Connection& connection, const Clone& clone);
absl::StatusOr<std::optional<Clone>> FindCloneByRequest(pg::Connection& connection,
                                                        const std::string& request_id);
absl::StatusOr<std::optional<Clone>> FindClone(pg::Connection& connection, const std::string& id);
absl::Status SaveClone(pg::Connection& connection, const Clone& clone);
// The store that holds the clone's point.
absl::StatusOr<std::string> StoreOfClone(pg::Connection& connection, const std::string& id);
// The order to make the clone is not given out any more.
absl::Status CancelCreation(pg::Connection& connection, const std::string& clone_id);

}  // namespace godwit::coordinator::store
