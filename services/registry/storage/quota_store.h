// What is used of the quotas, in PostgreSQL. On the connection of the caller's transaction; errors
// are those of pg::Connection::Exec.
#pragma once

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/quotas.h"

namespace godwit::registry::storage {

absl::StatusOr<ServerUse> CountUse(pg::Connection& connection);
// The same, and nobody else gets past this call until the transaction ends: what is decided on the
// counts holds. Take it after all row locks and before the write, so that nobody who has it waits
// for a row.
absl::StatusOr<ServerUse> LockUse(pg::Connection& connection);

}  // namespace godwit::registry::storage
