// The quotas of source servers, for whoever changes one.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "services/common/base/quota.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/source_server.h"
#include "services/registry/rpc/backend.h"

namespace godwit::registry {

// To be asked in the transaction of a change, with the row locked, before it is saved. `before` is
// null for a server that is being made. RESOURCE_EXHAUSTED with reason QUOTA_EXCEEDED. Of two that
// would reach the limit together, one is refused.
absl::Status CheckQuotas(const Backend& backend, pg::Connection& connection,
                         const SourceServer* before, const SourceServer& after);

// All quotas of the registry with what is used.
absl::StatusOr<std::vector<Quota>> ListQuotas(const Backend& backend);

}  // namespace godwit::registry
