#include "services/registry/storage/scope_store.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

#define GODWIT_SCOPE_COLUMNS                                                   \
  "principal, version, description, changed_by, registry.micros(create_time)," \
  " registry.micros(update_time)"

constexpr pg::Statement kOneAtATime = {"registry_scope_insert_lock",
                                       "select pg_advisory_xact_lock(hashtext('registry.scope'))"};
constexpr pg::Statement kLock = {
    "registry_scope_lock", "select version from registry.scope where principal = $1 for update"};
constexpr pg::Statement kCount = {"registry_scope_count", "select count(*) from registry.scope"};
constexpr pg::Statement kSave = {
    "registry_scope_save",
    "insert into registry.scope (principal, description, changed_by) values ($1, $2, $3)"
    " on conflict (principal) do update set version = registry.scope.version + 1,"
    " description = excluded.description, changed_by = excluded.changed_by,"
    " update_time = clock_timestamp()"};
constexpr pg::Statement kClear = {"registry_scope_entry_clear",
                                  "delete from registry.scope_entry where principal = $1"};
constexpr pg::Statement kAddApplication = {
    "registry_scope_entry_add_application",
    "insert into registry.scope_entry (principal, application_id)"
    " select $1, id from registry.application where id = $2"};
constexpr pg::Statement kAddWave = {"registry_scope_entry_add_wave",
                                    "insert into registry.scope_entry (principal, wave_id)"
                                    " select $1, id from registry.wave where id = $2"};
constexpr pg::Statement kAddTag = {
    "registry_scope_entry_add_tag",
    "insert into registry.scope_entry (principal, tag_key, tag_value) values ($1, $2, $3)"};
constexpr pg::Statement kDelete = {"registry_scope_delete",
                                   "delete from registry.scope where principal = $1"};
constexpr pg::Statement kList = {
    "registry_scope_list", "select " GODWIT_SCOPE_COLUMNS
                           " from registry.scope where ($1 = '' or principal = $1)"
                           " and (create_time, principal) > (to_timestamp($2::bigint / 1e6), $3)"
                           " order by create_time, principal limit $4::bigint"};
constexpr pg::Statement kEntries = {
    "registry_scope_entries",
    "select principal, application_id, wave_id, tag_key, tag_value from registry.scope_entry"
    " where principal = any ($1::text[])"
    " order by principal, application_id, wave_id, tag_key, tag_value"};
constexpr pg::Statement kWithin = {
    "registry_scope_within",
    "select v.name from registry.scope s left join lateral ("
    " select 'sourceServers/' || id as name from registry.scope_server"
    "   where principal = $1 and id = any ($2::text[])"
    " union select 'applications/' || id from registry.scope_application"
    "   where principal = $1 and id = any ($3::text[])"
    " union select 'waves/' || id from registry.scope_wave"
    "   where principal = $1 and id = any ($4::text[])) v on true where s.principal = $1"};
constexpr pg::Statement kAll = {
    "registry_scope_all",
    "select v.name from registry.scope s left join lateral (select distinct name"
    " from registry.scope_name where principal = $1) v on true where s.principal = $1"
    " order by v.name"};
constexpr pg::Statement kTags = {
    "registry_scope_tags",
    "select distinct tag_key from registry.scope_entry where tag_key is not null"};

std::string Array(const std::vector<std::string>& texts) {
  return absl::StrCat("{", absl::StrJoin(texts, ","), "}");
}

std::vector<std::string> IdsOf(absl::string_view collection,
                               const std::vector<std::string>& names) {
  std::vector<std::string> ids;
  for (absl::string_view name : names) {
    if (absl::ConsumePrefix(&name, collection) && absl::ConsumePrefix(&name, "/")) {
      ids.emplace_back(name);
    }
  }
  return ids;
}

// Rows are scopes without their entries.
absl::StatusOr<std::vector<UserScope>> WithEntries(pg::Connection& connection,
                                                   const pg::Result& result) {
  std::vector<UserScope> scopes;
  std::map<std::string, std::size_t> places;
  std::vector<std::string> principals;
  for (int row = 0; row < result.rows(); ++row) {
    scopes.push_back({.principal = std::string(result.Text(row, 0)),
                      .version = result.Int(row, 1),
                      .description = std::string(result.Text(row, 2)),
                      .changed_by = std::string(result.Text(row, 3)),
                      .create_time = result.Time(row, 4).value_or(absl::UnixEpoch()),
                      .update_time = result.Time(row, 5).value_or(absl::UnixEpoch())});
    places.emplace(scopes.back().principal, scopes.size() - 1);
    principals.push_back(scopes.back().principal);
  }
  ASSIGN_OR_RETURN(const pg::Result entries, connection.Exec(kEntries, {Array(principals)}));
  for (int row = 0; row < entries.rows(); ++row) {
    UserScope& scope = scopes[places.at(std::string(entries.Text(row, 0)))];
    if (!entries.IsNull(row, 1)) scope.applications.emplace_back(entries.Text(row, 1));
    if (!entries.IsNull(row, 2)) scope.waves.emplace_back(entries.Text(row, 2));
    if (entries.IsNull(row, 3)) continue;
    scope.tags.push_back({.key = std::string(entries.Text(row, 3))});
    if (!entries.IsNull(row, 4)) scope.tags.back().value = std::string(entries.Text(row, 4));
  }
  return scopes;
}

absl::Status AddGroups(pg::Connection& connection, const pg::Statement& add,
                       const std::string& principal, const char* collection,
                       const std::vector<std::string>& ids) {
  for (const std::string& id : ids) {
    ASSIGN_OR_RETURN(const pg::Result added, connection.Exec(add, {principal, id}));
    if (added.affected() != 1) {
      return absl::NotFoundError(absl::StrCat("there is no ", collection, "/", id));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::int64_t> LockScope(pg::Connection& connection, const std::string& principal) {
  RETURN_IF_ERROR(connection.Exec(kOneAtATime).status());
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kLock, {principal}));
  return result.rows() == 0 ? 0 : result.Int(0, 0);
}

absl::StatusOr<UserScope> SaveScope(pg::Connection& connection, const UserScope& scope) {
  RETURN_IF_ERROR(
      connection.Exec(kSave, {scope.principal, scope.description, scope.changed_by}).status());
  ASSIGN_OR_RETURN(const pg::Result count, connection.Exec(kCount));
  if (count.Int(0, 0) > kMaxScopes) {
    return absl::ResourceExhaustedError(
        absl::StrCat(kMaxScopes, " users are limited, which is the most: delete scopes"));
  }
  RETURN_IF_ERROR(connection.Exec(kClear, {scope.principal}).status());
  RETURN_IF_ERROR(
      AddGroups(connection, kAddApplication, scope.principal, "applications", scope.applications));
  RETURN_IF_ERROR(AddGroups(connection, kAddWave, scope.principal, "waves", scope.waves));
  for (const ScopeTag& tag : scope.tags) {
    RETURN_IF_ERROR(connection
                        .Exec(kAddTag, {scope.principal, tag.key,
                                        tag.value ? pg::Param(*tag.value) : pg::Param()})
                        .status());
  }
  ASSIGN_OR_RETURN(const std::vector<UserScope> saved,
                   ListScopes(connection, scope.principal, absl::UnixEpoch(), "", 1));
  if (saved.empty()) return absl::InternalError("the scope was not saved");
  return saved.front();
}

absl::Status DeleteScope(pg::Connection& connection, const std::string& principal) {
  ASSIGN_OR_RETURN(const pg::Result deleted, connection.Exec(kDelete, {principal}));
  if (deleted.affected() != 0) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat(principal, " is not limited"));
}

absl::StatusOr<std::vector<UserScope>> ListScopes(pg::Connection& connection,
                                                  const std::string& principal,
                                                  absl::Time after_time,
                                                  const std::string& after_principal, int limit) {
  ASSIGN_OR_RETURN(
      const pg::Result result,
      connection.Exec(kList, {principal, after_principal.empty() ? "0" : pg::Micros(after_time),
                              after_principal, Number(limit)}));
  return WithEntries(connection, result);
}

absl::StatusOr<std::optional<std::set<std::string>>> NamesWithin(
    pg::Connection& connection, const std::string& principal,
    const std::vector<std::string>& names) {
  ASSIGN_OR_RETURN(const pg::Result result,
                   connection.Exec(kWithin, {principal, Array(IdsOf("sourceServers", names)),
                                             Array(IdsOf("applications", names)),
                                             Array(IdsOf("waves", names))}));
  if (result.rows() == 0) return std::nullopt;
  std::set<std::string> within;
  for (int row = 0; row < result.rows(); ++row) {
    if (!result.IsNull(row, 0)) within.emplace(result.Text(row, 0));
  }
  return within;
}

absl::StatusOr<std::optional<std::vector<std::string>>> AllNamesWithin(
    pg::Connection& connection, const std::string& principal) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kAll, {principal}));
  if (result.rows() == 0) return std::nullopt;
  std::vector<std::string> names;
  for (int row = 0; row < result.rows(); ++row) {
    if (!result.IsNull(row, 0)) names.emplace_back(result.Text(row, 0));
  }
  return names;
}

absl::StatusOr<std::set<std::string>> TagsOfScopes(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kTags));
  std::set<std::string> keys;
  for (int row = 0; row < result.rows(); ++row) keys.emplace(result.Text(row, 0));
  return keys;
}

}  // namespace godwit::registry::storage
