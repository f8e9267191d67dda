// Rows of replication.point_request (fresh points on demand) and replication.outbox (first points
// the registry must be told of). Functions work in the caller's transaction.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/pg/connection.h"

namespace godwit::coordinator::store {

enum class RequestState { kWaiting = 1, kCutting = 2, kSucceeded = 3, kFailed = 4 };
struct PointRequest {
  std::string id, server_id;
  bool quiesce = false, stay_quiesced = false;
  std::string description;
  absl::Duration timeout;
  bool root_hash = false;  // the point needs one
  RequestState state = RequestState::kWaiting;
  std::string point_id, error_message;
};
// The same id again gives what is there. INVALID_ARGUMENT: it was another request.
// RESOURCE_EXHAUSTED: too many are waiting.
absl::StatusOr<PointRequest> InsertPointRequest(pg::Connection& connection,
                                                const PointRequest& request);
absl::StatusOr<PointRequest> LoadPointRequest(pg::Connection& connection,
                                              const std::string& server_id, const std::string& id);
// The oldest open one.
absl::StatusOr<std::optional<PointRequest>> NextPointRequest(pg::Connection& connection,
                                                             const std::string& server_id);
absl::Status MarkCutting(pg::Connection& connection, const std::string& id);
// Ends an open request; one that ended stays as it is.
absl::Status FailPointRequest(pg::Connection& connection, const std::string& server_id,
                              const std::string& id, const std::string& message);
absl::Status FailPointRequests(pg::Connection& connection, const std::string& server_id,
                               const std::string& message);
absl::Status SaveQuiesceTime(pg::Connection& connection, const std::string& server_id,
                             const std::string& id, absl::Time time);
// The point answers the request: it gets the request's description and, when it has none, its
// quiesce time.
absl::Status SucceedPointRequest(pg::Connection& connection, const std::string& server_id,
                                 const std::string& id, const std::string& point_id);
// Fails those past their deadline.
absl::Status ExpirePointRequests(pg::Connection& connection);

// Initial sync done: to be told to the registry, unless it was for this stay in service already.
absl::Status QueueInitialSyncDone(pg::Connection& connection, const std::string& server_id,
                                  const std::string& point_id);
struct SyncDone {
  std::string request_id, server_id, point_id;
  int attempt_count = 0;
};
// One that is due; nobody else gets it for `lease`.
absl::StatusOr<std::optional<SyncDone>> ClaimSyncDone(pg::Connection& connection,
                                                      absl::Duration lease);
// Empty `error`: delivered.
absl::Status FinishSyncDone(pg::Connection& connection, const std::string& request_id,
                            const std::string& error, absl::Duration backoff);

// Those that ended a week ago.
absl::Status ForgetEndedRequests(pg::Connection& connection);

}  // namespace godwit::coordinator::store
