#include "services/registry/storage/figures.h"

#include "services/common/base/status_macros.h"

namespace godwit::registry::storage {
namespace {

constexpr pg::Statement kCount = {
    "registry_count_servers",
    "select lifecycle, archived, count(*) from registry.source_server group by lifecycle, "
    "archived order by lifecycle, archived"};

}  // namespace

absl::StatusOr<std::vector<ServerCount>> CountServers(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result rows, connection.Exec(kCount));
  std::vector<ServerCount> counts;
  for (int row = 0; row < rows.rows(); ++row) {
    counts.push_back({.lifecycle = static_cast<int>(rows.Int(row, 0)),
                      .archived = rows.Bool(row, 1),
                      .count = rows.Int(row, 2)});
  }
  return counts;
}

}  // namespace godwit::registry::storage
