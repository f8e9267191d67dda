// Counts for metrics.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"

namespace godwit::registry::storage {

struct ServerCount {
  int lifecycle = 0;
  bool archived = false;
  std::int64_t count = 0;
};
// One entry for each that occurs.
absl::StatusOr<std::vector<ServerCount>> CountServers(pg::Connection& connection);

}  // namespace godwit::registry::storage
