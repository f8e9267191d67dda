#include "services/replication/coordinator/store/request_store.h"

#include "services/common/base/status_macros.h"

namespace godwit::coordinator::store {
namespace {

constexpr pg::Statement kInsert = {
    "request_insert",
    "insert into replication.request (id, body_hash) values ($1::uuid, md5($2))"
    " on conflict (id) do nothing"};
constexpr pg::Statement kSame = {
    "request_same", "select body_hash = md5($2) from replication.request where id = $1::uuid"};
constexpr pg::Statement kForget = {
    "request_forget",
    "delete from replication.request where create_time < now() - interval '1 day'"};

}  // namespace

absl::StatusOr<bool> RememberRequest(pg::Connection& connection, const std::string& request_id,
                                     const std::string& body) {
  ASSIGN_OR_RETURN(const pg::Result inserted, connection.Exec(kInsert, {request_id, body}));
  if (inserted.affected() == 1) return true;
  ASSIGN_OR_RETURN(const pg::Result same, connection.Exec(kSame, {request_id, body}));
  if (same.rows() == 1 && same.Bool(0, 0)) return false;
  return absl::InvalidArgumentError("request_id: was used for another call");
}

absl::Status ForgetRequests(pg::Connection& connection) {
  return connection.Exec(kForget).status();
}

}  // namespace godwit::coordinator::store
