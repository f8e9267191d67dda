// Carrying out one row of an inventory.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "services/common/pg/connection.h"
#include "services/registry/domain/inventory.h"
#include "services/registry/rpc/backend.h"
#include "services/registry/storage/transfer_store.h"

namespace godwit::registry {

struct ImportedRow {
  std::string wave, application, server;  // ids of what the row is about, as far as it was found
  storage::TransferCounts changed;        // what it made and changed
};

// Finds or makes what the row names, changes what is different, and joins them. What is already as
// the row wants it counts as not changed. Errors: INVALID_ARGUMENT, when the row is wrong;
// NOT_FOUND, FAILED_PRECONDITION, ALREADY_EXISTS and RESOURCE_EXHAUSTED, when something stands in
// its way. The caller's transaction is rolled back then; `out` tells what was found until there.
absl::Status ImportRow(pg::Connection& connection, const Backend& backend,
                       const std::string& principal, const InventoryRow& row, ImportedRow* out);

}  // namespace godwit::registry
