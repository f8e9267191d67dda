#include "services/registry/storage/template_store.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

#define GODWIT_TEMPLATE_COLUMNS \
  "id, version, replication, launch, tags, replication_tags, launch_tags"

constexpr pg::Statement kGet = {"registry_template_get",
                                "select " GODWIT_TEMPLATE_COLUMNS
                                " from registry.settings_template where id = $1"};
constexpr pg::Statement kLock = {"registry_template_lock",
                                 "select " GODWIT_TEMPLATE_COLUMNS
                                 " from registry.settings_template where id = $1 for update"};
constexpr pg::Statement kInsert = {
    "registry_template_insert",
    "insert into registry.settings_template (id, replication, launch, tags, replication_tags,"
    " launch_tags) values ($1, $2::jsonb, $3::jsonb, $4::jsonb, $5::jsonb, $6::jsonb)"
    " returning " GODWIT_TEMPLATE_COLUMNS};
constexpr pg::Statement kSave = {
    "registry_template_save",
    "update registry.settings_template set version = version + 1, replication = $2::jsonb,"
    " launch = $3::jsonb, tags = $4::jsonb, replication_tags = $5::jsonb, launch_tags = $6::jsonb"
    " where id = $1 returning " GODWIT_TEMPLATE_COLUMNS};
constexpr pg::Statement kDelete = {"registry_template_delete",
                                   "delete from registry.settings_template where id = $1"};
constexpr pg::Statement kList = {"registry_template_list",
                                 "select " GODWIT_TEMPLATE_COLUMNS
                                 " from registry.settings_template where id > $1"
                                 " order by id limit $2::bigint"};

Template FromRow(const pg::Result& result, int row) {
  return {.id = std::string(result.Text(row, 0)),
          .version = result.Int(row, 1),
          .replication = std::string(result.Text(row, 2)),
          .launch = std::string(result.Text(row, 3)),
          .tags = std::string(result.Text(row, 4)),
          .replication_tags = std::string(result.Text(row, 5)),
          .launch_tags = std::string(result.Text(row, 6))};
}

absl::StatusOr<pg::Result> Write(pg::Connection& connection, const pg::Statement& statement,
                                 const Template& row) {
  return connection.Exec(statement, {row.id, row.replication, row.launch, row.tags,
                                     row.replication_tags, row.launch_tags});
}

absl::StatusOr<Template> One(const absl::StatusOr<pg::Result>& result, absl::string_view id) {
  RETURN_IF_ERROR(result);
  if (result->rows() == 0) {
    return absl::NotFoundError(absl::StrCat("there is no settingsTemplates/", id));
  }
  return FromRow(*result, 0);
}

}  // namespace

absl::StatusOr<Template> GetTemplate(pg::Connection& connection, const std::string& id) {
  return One(connection.Exec(kGet, {id}), id);
}

absl::StatusOr<Template> LockTemplate(pg::Connection& connection, const std::string& id) {
  return One(connection.Exec(kLock, {id}), id);
}

absl::StatusOr<Template> InsertTemplate(pg::Connection& connection, const Template& row) {
  return One(Write(connection, kInsert, row), row.id);
}

absl::StatusOr<Template> SaveTemplate(pg::Connection& connection, const Template& row) {
  return One(Write(connection, kSave, row), row.id);
}

absl::Status DeleteTemplate(pg::Connection& connection, const std::string& id) {
  return connection.Exec(kDelete, {id}).status();
}

absl::StatusOr<std::vector<Template>> ListTemplates(pg::Connection& connection,
                                                    const std::string& after_id, int limit) {
  ASSIGN_OR_RETURN(const pg::Result result, connection.Exec(kList, {after_id, Number(limit)}));
  std::vector<Template> rows;
  for (int row = 0; row < result.rows(); ++row) rows.push_back(FromRow(result, row));
  return rows;
}

}  // namespace godwit::registry::storage
