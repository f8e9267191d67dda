#include "services/registry/storage/quota_store.h"

#include "services/common/base/status_macros.h"

namespace godwit::registry::storage {
namespace {

constexpr pg::Statement kLock = {
    "registry_quota_lock", "select pg_advisory_xact_lock(hashtextextended('registry.quota', 0))"};
// Of the index source_server_by_standing alone.
constexpr pg::Statement kUse = {"registry_quota_use",
                                "select count(*) filter (where lifecycle between 4 and 8), "
                                "count(*) filter (where not archived),"
                                " count(*) from registry.source_server"};

}  // namespace

absl::StatusOr<ServerUse> CountUse(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result rows, connection.Exec(kUse));
  return ServerUse{.active = rows.Int(0, 0), .unarchived = rows.Int(0, 1), .all = rows.Int(0, 2)};
}

absl::StatusOr<ServerUse> LockUse(pg::Connection& connection) {
  RETURN_IF_ERROR(connection.Exec(kLock).status());
  return CountUse(connection);
}

}  // namespace godwit::registry::storage
