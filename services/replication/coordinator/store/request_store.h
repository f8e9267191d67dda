// Rows of replication.request. Functions work in the caller's transaction.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"

namespace godwit::coordinator::store {

// True when the request is new (and is remembered now). INVALID_ARGUMENT: the id was used with
// another `body`.
absl::StatusOr<bool> RememberRequest(pg::Connection& connection, const std::string& request_id,
                                     const std::string& body);
// Those older than a day.
absl::Status ForgetRequests(pg::Connection& connection);

}  // namespace godwit::coordinator::store
