// What new servers start with: the default template, or what their installation token names.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/installation_token.h"
#include "services/registry/domain/source_server.h"
#include "services/registry/rpc/fields.h"

namespace godwit::registry {

// Locks the templates that the token names until the transaction of `connection` ends: none of them
// is deleted meanwhile. INVALID_ARGUMENT naming the field: it does not exist.
absl::Status LockTemplatesOf(pg::Connection& connection, const InstallationToken& token);

// Gives a new server its replication settings, launch settings and tags; a token without names
// gives those of the default. FAILED_PRECONDITION with reason TEMPLATE_GONE: a named template does
// not exist any more.
absl::Status Furnish(pg::Connection& connection, const InstallationToken& token,
                     SourceServer* server);

// Adds those of a JSON document; they win over what is there.
absl::Status AddTags(const std::string& json, Tags* tags);

}  // namespace godwit::registry
