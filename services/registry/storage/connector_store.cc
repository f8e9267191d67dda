#include "services/registry/storage/connector_store.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

#define GODWIT_CONNECTOR_COLUMNS \
  "id, version, display_name, instance_id, command_config, tags, registry.micros(create_time)"

constexpr pg::Statement kOneAtATime = {
    "registry_connector_insert_lock",
    "select pg_advisory_xact_lock(hashtext('registry.connector'))"};
constexpr pg::Statement kCount = {"registry_connector_count",
                                  "select count(*) from registry.connector"};
constexpr pg::Statement kInsert = {
    "registry_connector_insert",
    "insert into registry.connector (id, display_name, instance_id, command_config, tags)"
    " values ($1, $2, $3, $4::jsonb, $5::jsonb) returning " GODWIT_CONNECTOR_COLUMNS};
constexpr pg::Statement kGet = {"registry_connector_get", "select " GODWIT_CONNECTOR_COLUMNS
                                                          " from registry.connector where id = $1"};
constexpr pg::Statement kLock = {"registry_connector_lock",
                                 "select " GODWIT_CONNECTOR_COLUMNS
                                 " from registry.connector where id = $1 for update"};
constexpr pg::Statement kSave = {
    "registry_connector_save",
    "update registry.connector set version = version + 1, display_name = $2,"
    " command_config = $3::jsonb, tags = $4::jsonb where id = $1"
    " returning " GODWIT_CONNECTOR_COLUMNS};
constexpr pg::Statement kDelete = {"registry_connector_delete",
                                   "delete from registry.connector where id = $1"};
constexpr pg::Statement kList = {
    "registry_connector_list",
    "select " GODWIT_CONNECTOR_COLUMNS
    " from registry.connector where (create_time, id) > (to_timestamp($1::bigint / 1e6), $2)"
    " and ($3 = '' or id = any(string_to_array($3, ',')))"
    " order by create_time, id limit $4::bigint"};

Connector FromRow(const pg::Result& result, int row) {
  const auto text = [&](int column) { return std::string(result.Text(row, column)); };
  return {.id = text(0),
          .version = result.Int(row, 1),
          .display_name = text(2),
          .instance_id = text(3),
          .command_config = text(4),
          .tags = text(5),
          .create_time = result.Time(row, 6).value_or(absl::UnixEpoch())};
}

absl::StatusOr<Connector> One(const absl::StatusOr<pg::Result>& result, const std::string& id) {
  RETURN_IF_ERROR(result);
  if (result->rows() == 1) return FromRow(*result, 0);
  return absl::NotFoundError(absl::StrCat("there is no connectors/", id));
}

}  // namespace

absl::StatusOr<Connector> InsertConnector(pg::Connection& connection, const Connector& connector,
                                          int most) {
  RETURN_IF_ERROR(connection.Exec(kOneAtATime).status());
  ASSIGN_OR_RETURN(const pg::Result count, connection.Exec(kCount));
  if (count.Int(0, 0) >= most) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there are ", count.Int(0, 0), " connectors, which is the most: delete some"));
  }
  return One(connection.Exec(kInsert, {connector.id, connector.display_name, connector.instance_id,
                                       OrNull(connector.command_config), connector.tags}),
             connector.id);
}

absl::StatusOr<Connector> GetConnector(pg::Connection& connection, const std::string& id) {
  return One(connection.Exec(kGet, {id}), id);
}

absl::StatusOr<Connector> LockConnector(pg::Connection& connection, const std::string& id) {
  return One(connection.Exec(kLock, {id}), id);
}

absl::StatusOr<Connector> SaveConnector(pg::Connection& connection, const Connector& connector) {
  return One(connection.Exec(kSave, {connector.id, connector.display_name,
                                     OrNull(connector.command_config), connector.tags}),
             connector.id);
}

absl::Status DeleteConnector(pg::Connection& connection, const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result gone, connection.Exec(kDelete, {id}));
  if (gone.affected() == 1) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("there is no connectors/", id));
}

absl::StatusOr<std::vector<Connector>> ListConnectors(pg::Connection& connection,
                                                      const ConnectorQuery& query) {
  ASSIGN_OR_RETURN(
      const pg::Result result,
      connection.Exec(kList, {query.after_id.empty() ? "0" : pg::Micros(query.after_time),
                              query.after_id, absl::StrJoin(query.ids, ","), Number(query.limit)}));
  std::vector<Connector> connectors;
  for (int row = 0; row < result.rows(); ++row) connectors.push_back(FromRow(result, row));
  return connectors;
}

}  // namespace godwit::registry::storage
