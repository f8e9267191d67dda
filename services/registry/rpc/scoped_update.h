// What users who are limited to a scope may not do to servers within it: leave it, or see beyond.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "godwit/registry/v1/source_server_service.pb.h"
#include "services/common/pg/connection.h"

namespace godwit::registry {

// FAILED_PRECONDITION with reason SCOPED: ids of users are one's own to the whole installation.
absl::Status CheckScopedUpdate(const godwit::registry::v1::UpdateSourceServerRequest& request);
// FAILED_PRECONDITION with reason TAG_DECIDES_SCOPE: a tag that some scope hangs on would change.
// The tags are JSON documents.
absl::Status CheckScopedTags(pg::Connection& connection, const std::string& before,
                             const std::string& after);

}  // namespace godwit::registry
