#include "services/replication/coordinator/store/forget_store.h"

#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/store/params.h"

namespace godwit::coordinator::store {
namespace {

#define GODWIT_SPENT                                                                 \
  "s.wish = 4 and s.staging_removed and s.worker_id is null and s.store_id is null"  \
  " and s.old_store_ids = '{}'"                                                      \
  " and s.update_time < clock_timestamp() - $1::bigint * interval '1 microsecond'"   \
  " and not exists (select from replication.clone c where c.server_id = s.id"        \
  "  and c.state in (1, 2, 3))"                                                      \
  " and not exists (select from replication.worker_order o where o.server_id = s.id" \
  "  and o.state = 1)"                                                               \
  " and not exists (select from replication.verification v where v.server_id = s.id)"
constexpr pg::Statement kList = {
    "server_spent", "select s.id from replication.server s where s.id > $2 and " GODWIT_SPENT
                    " order by s.id limit $3::int"};
constexpr pg::Statement kLock = {
    "server_spent_lock",
    "select s.id from replication.server s where s.id = any($1::text[]) order by s.id"
    " for update skip locked"};
// After the lock, so that it sees what others had done until then.
constexpr pg::Statement kForget = {
    "server_spent_forget",
    "delete from replication.server s where s.id = any($2::text[]) and " GODWIT_SPENT
    " returning s.id"};

pg::Param Micros(absl::Duration age) { return Number(absl::ToInt64Microseconds(age)); }

std::vector<std::string> IdsOf(const pg::Result& found) {
  std::vector<std::string> ids;
  for (int row = 0; row < found.rows(); ++row) ids.emplace_back(found.Text(row, 0));
  return ids;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ListSpent(pg::Connection& connection, absl::Duration age,
                                                   const std::string& after, int limit) {
  ASSIGN_OR_RETURN(const pg::Result found,
                   connection.Exec(kList, {Micros(age), after, Number(limit)}));
  return IdsOf(found);
}

absl::StatusOr<std::vector<std::string>> ForgetSpent(pg::Connection& connection, absl::Duration age,
                                                     const std::vector<std::string>& ids) {
  ASSIGN_OR_RETURN(const pg::Result locked, connection.Exec(kLock, {Ids(ids)}));
  ASSIGN_OR_RETURN(const pg::Result forgotten,
                   connection.Exec(kForget, {Micros(age), Ids(IdsOf(locked))}));
  return IdsOf(forgotten);
}

}  // namespace godwit::coordinator::store
