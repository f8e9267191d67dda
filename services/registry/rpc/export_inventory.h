// The inventory as a file that an import takes back.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/registry/storage/transfer_store.h"

namespace godwit::registry {

struct ExportedInventory {
  std::string content;
  std::int64_t waves = 0, applications = 0, servers = 0;
  std::vector<storage::TransferError> errors;  // values that the file does not have
};

// What is not archived, as the connection's transaction sees it: a row for each server with its
// application and wave, then for each application without servers, and for each wave without
// applications; what belongs to a group stands in its first row. OUT_OF_RANGE: the file would be
// larger than an import takes.
absl::StatusOr<ExportedInventory> ExportInventory(pg::Connection& connection,
                                                  const storage::Transfer& options);

}  // namespace godwit::registry
