// What UpdateSourceServer may change of a server.
#pragma once

#include "absl/status/status.h"
#include "godwit/registry/v1/source_server_service.pb.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/source_server.h"

namespace godwit::registry {

// INVALID_ARGUMENT names the field.
absl::Status CheckServerUpdate(const v1::UpdateSourceServerRequest& request);

// Changes a locked server as a checked request asks. ALREADY_EXISTS, FAILED_PRECONDITION: see the
// service's description.
absl::Status ApplyServerUpdate(pg::Connection& connection,
                               const v1::UpdateSourceServerRequest& request, SourceServer& server);

}  // namespace godwit::registry
