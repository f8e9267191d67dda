// Rows of replication.point. Functions work in the caller's transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/replication/coordinator/domain/retention.h"
#include "services/replication/coordinator/domain/types.h"

namespace godwit::coordinator::store {

struct Point {
  std::string id, server_id, store_id;
  std::int64_t epoch = 0, generation = 0;
  absl::Time cut_time, commit_time;
  int consistency = 1;
  std::string description;
  bool pinned = false;
  std::string root_hash;
  std::int64_t changed_bytes = 0;
  absl::Duration freeze_time;
  std::optional<absl::Time> quiesce_time;
  bool requested = false;
  int clone_count = 0;
  std::optional<std::int64_t> own_bytes;  // of the store, see Point.own_bytes; nullopt: not known
  std::optional<absl::Time> expire_time;  // not of the row
};

// True when the point is new; a known one (also one deleted lately) stays as it is.
absl::StatusOr<bool> InsertPoint(pg::Connection& connection, const Point& point);
// Kept points only; NOT_FOUND otherwise.
absl::StatusOr<Point> LoadPoint(pg::Connection& connection, const std::string& server_id,
                                const std::string& id);
// Newest first, of epochs below `before` (0: all), of the store the server is in now.
absl::StatusOr<std::vector<Point>> ListPoints(pg::Connection& connection,
                                              const std::string& server_id, std::int64_t before,
                                              int limit);
absl::Status UpdatePoint(pg::Connection& connection, const std::string& id,
                         const std::optional<std::string>& description,
                         const std::optional<bool>& pinned);
// Takes kept points out of the lists; their orders are the caller's work.
absl::Status MarkDeleting(pg::Connection& connection, const std::vector<std::string>& ids);
// Points of one store whose deletion was carried out.
absl::Status MarkGone(pg::Connection& connection, const std::string& server_id,
                      const std::string& store_id, const std::vector<std::int64_t>& epochs);
// All points and clones of one store of the server went with its staging.
absl::Status MarkStoreGone(pg::Connection& connection, const std::string& server_id,
                           const std::string& store_id);
absl::Status ForgetGonePoints(pg::Connection& connection);

// Input of retention, of the store the server is in now.
absl::StatusOr<std::vector<KeptPoint>> ListForRetention(pg::Connection& connection,
                                                        const std::string& server_id);
// Servers that have more than one kept point.
absl::StatusOr<std::vector<std::string>> ListWithPoints(pg::Connection& connection,
                                                        const std::string& after, int limit);

}  // namespace godwit::coordinator::store
