// Rows of replication.verification. Functions work in the caller's transaction.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/replication/coordinator/domain/verification.h"

namespace godwit::coordinator::store {

absl::Status InsertVerification(pg::Connection& connection, const std::string& server_id,
                                const std::string& id);
// By its id alone, of whatever server.
absl::StatusOr<std::optional<Verification>> FindVerification(pg::Connection& connection,
                                                             const std::string& id);
// The one that is not over.
absl::StatusOr<std::optional<Verification>> ActiveVerification(pg::Connection& connection,
                                                               const std::string& server_id);
// Newest first, of ordinals below `before` (0: all). Without differences and report.
absl::StatusOr<std::vector<Verification>> ListVerifications(pg::Connection& connection,
                                                            const std::string& server_id,
                                                            std::int64_t before, int limit);
// Saves an active one; one that is over stays as it is.
absl::Status SaveVerification(pg::Connection& connection, const Verification& verification);

// Active ones that wait for nobody any more, as (server, id): their point request has ended, or
// nothing was heard of them for `silence`.
absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ListUnsettled(
    pg::Connection& connection, absl::Duration silence, int limit);
// Those that were over more than 400 days ago.
absl::Status ForgetVerifications(pg::Connection& connection);

}  // namespace godwit::coordinator::store
