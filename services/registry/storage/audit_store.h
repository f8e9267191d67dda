// The audit log as a chain. Functions work on the connection of the caller.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/crypt/audit_chain.h"
#include "services/common/pg/connection.h"

namespace godwit::registry::storage {

// Oldest first, after `sequence`.
absl::StatusOr<std::vector<crypt::ChainedEntry>> ChainedAfter(pg::Connection& connection,
                                                              std::int64_t sequence, int limit);

struct AuditHead {
  std::int64_t sequence = 0;
  std::string hash;
};
absl::StatusOr<AuditHead> GetAuditHead(pg::Connection& connection);

}  // namespace godwit::registry::storage
