// Servers of an inventory, before an agent joins them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/source_server.h"

namespace godwit::registry {

// A server with a new id in PENDING_INSTALLATION, with tags and settings of the default template;
// the caller inserts it.
absl::StatusOr<SourceServer> NewPendingServer(pg::Connection& connection, absl::Time now,
                                              const std::string& user_provided_id);

}  // namespace godwit::registry
