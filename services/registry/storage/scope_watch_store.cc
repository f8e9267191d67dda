#include "services/registry/storage/scope_watch_store.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

constexpr pg::Statement kWithin = {
    "registry_scope_servers",
    "select v.id from registry.scope s left join lateral (select distinct id"
    " from registry.scope_server where principal = $1) v on true where s.principal = $1"};
constexpr pg::Statement kAll = {"registry_server_ids", "select id from registry.source_server"};
constexpr pg::Statement kCreated = {
    "registry_server_created_since",
    "select server_id from registry.event where sequence > $1::bigint and type = 1"};
constexpr pg::Statement kGone = {
    "registry_scope_gone_since",
    "select e.server_id from registry.event e join registry.scope_gone g"
    " on g.principal = $2 and g.name = e.resource where e.sequence > $1::bigint and e.type = 5"};
constexpr pg::Statement kGoneOf = {
    "registry_scope_gone_of",
    "select name from registry.scope_gone where principal = $1 and name = any ($2::text[])"};
constexpr pg::Statement kForget = {
    "registry_scope_gone_forget",
    "delete from registry.scope_gone g using (select principal, name from registry.scope_gone"
    "  where time < now() - $1::bigint * interval '1 millisecond' order by time limit 10000) o"
    " where g.principal = o.principal and g.name = o.name"};

std::set<std::string> FirstColumn(const pg::Result& result) {
  std::set<std::string> out;
  for (int row = 0; row < result.rows(); ++row) {
    if (!result.IsNull(row, 0)) out.emplace(result.Text(row, 0));
  }
  return out;
}

}  // namespace

absl::StatusOr<std::optional<std::set<std::string>>> ServersWithin(pg::Connection& connection,
                                                                   const std::string& principal) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kWithin, {principal}));
  if (result.rows() == 0) return std::nullopt;
  return FirstColumn(result);
}

absl::StatusOr<std::set<std::string>> AllServers(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kAll));
  return FirstColumn(result);
}

absl::StatusOr<std::set<std::string>> CreatedSince(pg::Connection& connection,
                                                   std::int64_t sequence) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kCreated, {Number(sequence)}));
  return FirstColumn(result);
}

absl::StatusOr<std::set<std::string>> GoneSince(pg::Connection& connection,
                                                const std::string& principal,
                                                std::int64_t sequence) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kGone, {Number(sequence), principal}));
  return FirstColumn(result);
}

absl::StatusOr<std::set<std::string>> GoneOf(pg::Connection& connection,
                                             const std::string& principal,
                                             const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(
      const pg::Result result,
      connection.Exec(kGoneOf, {principal, absl::StrCat("{", absl::StrJoin(names, ","), "}")}));
  return FirstColumn(result);
}

absl::Status ForgetGone(pg::Connection& connection, absl::Duration age) {
  return connection.Exec(kForget, {Number(absl::ToInt64Milliseconds(age))}).status();
}

}  // namespace godwit::registry::storage
