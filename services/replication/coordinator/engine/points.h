// Points, point requests and clones as operators and jobs use them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/pool.h"
#include "services/replication/coordinator/engine/ports.h"
#include "services/replication/coordinator/store/order_store.h"
#include "services/replication/coordinator/store/point_request_store.h"
#include "services/replication/coordinator/store/point_store.h"

namespace godwit::coordinator {

inline constexpr char kNewestPoint[] = "-";

// Thread-safe.
class Points {
 public:
  // `pool` must outlive it.
  Points(pg::Pool& pool, DecodeSettings decode) : pool_(pool), decode_(std::move(decode)) {}

  struct Progress {
    store::PointRequest request;
    std::optional<store::Point> point;
  };
  // FAILED_PRECONDITION: the server is not replicating.
  absl::StatusOr<Progress> Request(const store::PointRequest& request);
  absl::StatusOr<Progress> GetRequest(const std::string& server_id, const std::string& id);

  absl::StatusOr<store::Point> Get(const std::string& server_id, const std::string& id);
  absl::StatusOr<std::vector<store::Point>> List(const std::string& server_id,
                                                 std::int64_t before_epoch, int limit);
  absl::StatusOr<store::Point> Update(const std::string& server_id, const std::string& id,
                                      const std::optional<std::string>& description,
                                      const std::optional<bool>& pinned);
  // FAILED_PRECONDITION: pinned, in use by a clone, or the newest.
  absl::Status Delete(const std::string& server_id, const std::string& id);

  // `point_id` may be kNewestPoint: the newest one or, while there is none, what arrived so far.
  // Waits until `deadline` (of SteadyNow()) for the worker, or until `gone` (may be null) says that
  // nobody waits for the answer. The same `request_id` gives the same clone and waits on.
  // UNAVAILABLE: not made in time; ask again.
  absl::StatusOr<store::Clone> CreateClone(const std::string& server_id,
                                           const std::string& point_id,
                                           const std::string& request_id, absl::Time deadline,
                                           const std::function<bool()>& gone = nullptr);
  // Idempotent; the worker removes it later.
  absl::Status DeleteClone(const std::string& server_id, const std::string& id);

 private:
  absl::StatusOr<store::Clone> BeginClone(const std::string& server_id, std::string point_id,
                                          const std::string& request_id);
  // When retention deletes them.
  absl::Status SetExpireTimes(pg::Connection& connection, const std::string& server_id,
                              std::vector<store::Point>& points);
  pg::Pool& pool_;
  const DecodeSettings decode_;
};

// Takes points out of the lists and orders the worker to remove them. The server is locked.
absl::Status DeletePoints(pg::Connection& connection, const Server& server,
                          const std::vector<KeptPoint>& points);

}  // namespace godwit::coordinator
