#include "services/registry/storage/access_key_store.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

#define GODWIT_ACCESS_KEY_COLUMNS                                                        \
  "id, version, principal, wrapped_secret, master_key, lifecycle_profile, description, " \
  "disabled, registry.micros(create_time), registry.micros(last_use_time)"

constexpr pg::Statement kOneAtATime = {
    "registry_access_key_insert_lock",
    "select pg_advisory_xact_lock(hashtext('registry.access_key'))"};
constexpr pg::Statement kCount = {
    "registry_access_key_count",
    "select count(*), count(*) filter (where principal = $1) from registry.access_key"};
constexpr pg::Statement kInsert = {
    "registry_access_key_insert",
    "insert into registry.access_key (id, principal, wrapped_secret, master_key,"
    " lifecycle_profile, description, disabled) values ($1, $2, $3::bytea, $4, $5::smallint, $6,"
    " $7::boolean) returning " GODWIT_ACCESS_KEY_COLUMNS};
constexpr pg::Statement kGet = {"registry_access_key_get",
                                "select " GODWIT_ACCESS_KEY_COLUMNS
                                " from registry.access_key where id = $1"};
constexpr pg::Statement kLock = {"registry_access_key_lock",
                                 "select " GODWIT_ACCESS_KEY_COLUMNS
                                 " from registry.access_key where id = $1 for update"};
constexpr pg::Statement kList = {"registry_access_key_list",
                                 "select " GODWIT_ACCESS_KEY_COLUMNS
                                 " from registry.access_key where ($1 = '' or principal = $1)"
                                 " and (create_time, id) > (to_timestamp($2::bigint / 1e6), $3)"
                                 " order by create_time, id limit $4::bigint"};
constexpr pg::Statement kSave = {
    "registry_access_key_save",
    "update registry.access_key set version = version + 1, wrapped_secret = $2::bytea,"
    " master_key = $3, lifecycle_profile = $4::smallint, description = $5, disabled = $6::boolean"
    " where id = $1 returning " GODWIT_ACCESS_KEY_COLUMNS};
constexpr pg::Statement kDelete = {"registry_access_key_delete",
                                   "delete from registry.access_key where id = $1"};
constexpr pg::Statement kTouch = {
    "registry_access_key_touch",
    "update registry.access_key set last_use_time = date_trunc('hour', now()) where id = $1"
    " and (last_use_time is null or last_use_time < date_trunc('hour', now()))"};
constexpr pg::Statement kOthers = {
    "registry_access_key_wrapped_by_others",
    "select " GODWIT_ACCESS_KEY_COLUMNS
    " from registry.access_key where master_key <> $1 order by id limit $2::bigint"};

AccessKey FromRow(const pg::Result& result, int row) {
  return {.id = std::string(result.Text(row, 0)),
          .version = result.Int(row, 1),
          .principal = std::string(result.Text(row, 2)),
          .wrapped_secret = result.Bytes(row, 3),
          .master_key = std::string(result.Text(row, 4)),
          .lifecycle_profile = static_cast<int>(result.Int(row, 5)),
          .description = std::string(result.Text(row, 6)),
          .disabled = result.Bool(row, 7),
          .create_time = result.Time(row, 8).value_or(absl::UnixEpoch()),
          .last_use_time = result.Time(row, 9)};
}

absl::StatusOr<std::vector<AccessKey>> All(const absl::StatusOr<pg::Result>& result) {
  RETURN_IF_ERROR(result);
  std::vector<AccessKey> keys;
  for (int row = 0; row < result->rows(); ++row) keys.push_back(FromRow(*result, row));
  return keys;
}

absl::StatusOr<AccessKey> One(const absl::StatusOr<pg::Result>& result, absl::string_view id) {
  ASSIGN_OR_RETURN(const std::vector<AccessKey> keys, All(result));
  if (keys.empty()) return absl::NotFoundError(absl::StrCat("there is no accessKeys/", id));
  return keys.front();
}

}  // namespace

absl::StatusOr<AccessKey> InsertAccessKey(pg::Connection& connection, const AccessKey& key,
                                          const AccessKeyLimits& limits) {
  RETURN_IF_ERROR(connection.Exec(kOneAtATime).status());
  ASSIGN_OR_RETURN(const pg::Result count, connection.Exec(kCount, {key.principal}));
  if (count.Int(0, 1) >= limits.of_principal) {
    return absl::FailedPreconditionError(absl::StrCat(
        key.principal, " has ", count.Int(0, 1), " access keys, which is the most: delete one"));
  }
  if (count.Int(0, 0) >= limits.all) {
    return absl::FailedPreconditionError(absl::StrCat(
        "there are ", count.Int(0, 0), " access keys, which is the most: delete some"));
  }
  return One(connection.Exec(kInsert, {key.id, key.principal, pg::BytesParam(key.wrapped_secret),
                                       key.master_key, Number(key.lifecycle_profile),
                                       key.description, Bool(key.disabled)}),
             key.id);
}

absl::StatusOr<AccessKey> GetAccessKey(pg::Connection& connection, const std::string& id) {
  return One(connection.Exec(kGet, {id}), id);
}

absl::StatusOr<AccessKey> LockAccessKey(pg::Connection& connection, const std::string& id) {
  return One(connection.Exec(kLock, {id}), id);
}

absl::StatusOr<std::vector<AccessKey>> ListAccessKeys(pg::Connection& connection,
                                                      const std::string& principal,
                                                      absl::Time after_time,
                                                      const std::string& after_id, int limit) {
  return All(connection.Exec(kList, {principal, after_id.empty() ? "0" : pg::Micros(after_time),
                                     after_id, Number(limit)}));
}

absl::StatusOr<AccessKey> SaveAccessKey(pg::Connection& connection, const AccessKey& key) {
  return One(
      connection.Exec(kSave, {key.id, pg::BytesParam(key.wrapped_secret), key.master_key,
                              Number(key.lifecycle_profile), key.description, Bool(key.disabled)}),
      key.id);
}

absl::Status DeleteAccessKey(pg::Connection& connection, const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result deleted, connection.Exec(kDelete, {id}));
  if (deleted.affected() != 0) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("there is no accessKeys/", id));
}

absl::Status TouchAccessKey(pg::Connection& connection, const std::string& id) {
  return connection.Exec(kTouch, {id}).status();
}

absl::StatusOr<std::vector<AccessKey>> AccessKeysNotWrappedBy(pg::Connection& connection,
                                                              const std::string& master_key,
                                                              int limit) {
  return All(connection.Exec(kOthers, {master_key, Number(limit)}));
}

}  // namespace godwit::registry::storage
