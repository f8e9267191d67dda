#include "services/registry/storage/server_store.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/params.h"

namespace godwit::registry::storage {
namespace {

#define GODWIT_SERVER_COLUMNS                                                             \
  "id, version, lifecycle, registry.micros(state_time), archived, user_provided_id, "     \
  "application_id, test_job, registry.micros(test_initiate_time), "                       \
  "registry.micros(test_finalize_time), registry.micros(test_revert_time), cutover_job, " \
  "registry.micros(cutover_initiate_time), registry.micros(cutover_finalize_time), "      \
  "registry.micros(cutover_revert_time), launch_job, launch_status, public_key_hash, "    \
  "certificate_generation, renewal_hash, identity_revoked, properties, machine, tags, "   \
  "replication_settings, launch_settings, registry.micros(create_time), "                 \
  "registry.micros(update_time), registry.micros(enroll_time), notes"

constexpr pg::Statement kGet = {"registry_server_get",
                                "select " GODWIT_SERVER_COLUMNS
                                " from registry.source_server where id = $1"};
constexpr pg::Statement kLock = {"registry_server_lock",
                                 "select " GODWIT_SERVER_COLUMNS
                                 " from registry.source_server where id = $1 for update"};
constexpr pg::Statement kFacts = {
    "registry_replication_facts",
    "select id, public_key_hash is not null and public_key_hash <> '', identity_revoked,"
    " replication_settings from registry.source_server where id = any($1::text[])"};
constexpr pg::Statement kLockOfKey = {"registry_server_lock_of_key",
                                      "select " GODWIT_SERVER_COLUMNS
                                      " from registry.source_server where public_key_hash = $1"
                                      " for update"};
constexpr pg::Statement kLockOfUserProvidedId = {
    "registry_server_lock_of_user_provided_id",
    "select " GODWIT_SERVER_COLUMNS
    " from registry.source_server where user_provided_id = $1 for update"};
constexpr pg::Statement kInsert = {
    "registry_server_insert",
    "insert into registry.source_server (id, lifecycle, user_provided_id, public_key_hash,"
    " certificate_generation, renewal_hash, properties, tags, replication_settings,"
    " launch_settings, enroll_time, notes, replication_start_time) values ($1, $2::smallint, $3, "
    "$4,"
    " $5::bigint, $6, $7::jsonb, $8::jsonb, $9::jsonb, $10::jsonb,"
    " to_timestamp($11::bigint / 1e6), $12::jsonb,"
    " case when $2::smallint between 4 and 8 then now() end) returning " GODWIT_SERVER_COLUMNS};
constexpr pg::Statement kSave = {
    "registry_server_save",
    "update registry.source_server set version = version + 1, update_time = clock_timestamp(),"
    " lifecycle = $2::smallint, state_time = to_timestamp($3::bigint / 1e6),"
    " archived = $4::boolean, user_provided_id = $5, application_id = $6, test_job = $7,"
    " test_initiate_time = to_timestamp($8::bigint / 1e6),"
    " test_finalize_time = to_timestamp($9::bigint / 1e6),"
    " test_revert_time = to_timestamp($10::bigint / 1e6), cutover_job = $11,"
    " cutover_initiate_time = to_timestamp($12::bigint / 1e6),"
    " cutover_finalize_time = to_timestamp($13::bigint / 1e6),"
    " cutover_revert_time = to_timestamp($14::bigint / 1e6), launch_job = $15,"
    " launch_status = $16::smallint, public_key_hash = $17,"
    " certificate_generation = $18::bigint, renewal_hash = $19, identity_revoked = $20::boolean,"
    " properties = $21::jsonb, machine = $22::jsonb, tags = $23::jsonb,"
    " replication_settings = $24::jsonb, launch_settings = $25::jsonb,"
    " enroll_time = to_timestamp($26::bigint / 1e6), notes = $27::jsonb,"
    // The first state in which it replicates.
    " replication_start_time = coalesce(replication_start_time,"
    " case when $2::smallint between 4 and 8 then clock_timestamp() end)"
    " where id = $1 returning " GODWIT_SERVER_COLUMNS};
constexpr pg::Statement kRemember = {
    "registry_server_remember",
    "insert into registry.source_server_history (server_id, version, lifecycle, event, principal)"
    " values ($1, $2::bigint, $3::smallint, $4, $5)"};
constexpr pg::Statement kSaveUse = {
    "registry_server_save_use",
    "update registry.source_server set properties = $2::jsonb where id = $1"};
constexpr pg::Statement kDelete = {"registry_server_delete",
                                   "delete from registry.source_server where id = $1"};
constexpr pg::Statement kList = {"registry_server_list",
                                 "select " GODWIT_SERVER_COLUMNS
                                 " from registry.source_server"
                                 " where (create_time, id) > (to_timestamp($1::bigint / 1e6), $2)"
                                 " and ($3::boolean or not archived)"
                                 " and ($4::smallint[] = '{}' or lifecycle = any ($4::smallint[]))"
                                 " and ($5 = '' or application_id = $5)"
                                 " and ($7 = '' or id in (select v.id from registry.scope_server v"
                                 "   where v.principal = $7))"
                                 " order by create_time, id limit $6::bigint"};
// Types of events: those of a server's versions and its deletion. One statement sees one instant.
constexpr pg::Statement kChanges = {
    "registry_server_changes",
    "select h.stream, h.sequence as head, (select coalesce(min(v.sequence), 0)"
    "   from registry.event v where v.sequence > $1::bigint) as first_event, c.place, c.changed_id,"
    " (s.id is not null) as is_there, " GODWIT_SERVER_COLUMNS
    " from registry.event_head h left join (select e.server_id as changed_id,"
    "   max(e.sequence) as place from registry.event e where e.sequence > $1::bigint"
    "   and e.type between 1 and 5 group by e.server_id order by 2 limit $2::bigint) c on true"
    " left join registry.source_server s on s.id = c.changed_id order by c.place"};
constexpr pg::Statement kHistory = {
    "registry_server_history",
    "select version, registry.micros(time), lifecycle, event, principal"
    " from registry.source_server_history where server_id = $1 and version > $2::bigint"
    " order by version limit $3::bigint"};

std::string TextOf(const pg::Result& result, int row, int column) {
  return std::string(result.Text(row, column));
}

SourceServer FromRow(const pg::Result& result, int row, int column = 0) {
  const auto text = [&] { return TextOf(result, row, column++); };
  const auto number = [&] { return result.Int(row, column++); };
  const auto time = [&] { return result.Time(row, column++); };
  const auto record = [&] {
    LaunchRecord launch;
    launch.job = text();
    launch.initiate = time();
    launch.finalize = time();
    launch.revert = time();
    return launch;
  };
  SourceServer server;
  server.id = text();
  server.version = number();
  server.lifecycle = static_cast<Lifecycle>(number());
  server.state_time = time().value_or(absl::UnixEpoch());
  server.archived = result.Bool(row, column++);
  server.user_provided_id = text();
  server.application = text();
  server.last_test = record();
  server.last_cutover = record();
  server.launch_job = text();
  server.launch_status = static_cast<LaunchStatus>(number());
  server.public_key_hash = text();
  server.certificate_generation = number();
  server.renewal_hash = text();
  server.identity_revoked = result.Bool(row, column++);
  server.properties = text();
  server.machine = text();
  server.tags = text();
  server.replication_settings = text();
  server.launch_settings = text();
  server.create_time = time().value_or(absl::UnixEpoch());
  server.update_time = time().value_or(absl::UnixEpoch());
  server.enroll_time = time();
  server.notes = text();
  return server;
}

absl::StatusOr<std::vector<SourceServer>> All(const absl::StatusOr<pg::Result>& result) {
  RETURN_IF_ERROR(result);
  std::vector<SourceServer> servers;
  for (int row = 0; row < result->rows(); ++row) servers.push_back(FromRow(*result, row));
  return servers;
}

absl::StatusOr<std::optional<SourceServer>> AtMostOne(const absl::StatusOr<pg::Result>& result) {
  RETURN_IF_ERROR(result);
  if (result->rows() == 0) return std::optional<SourceServer>();
  return std::optional<SourceServer>(FromRow(*result, 0));
}

absl::StatusOr<SourceServer> One(const absl::StatusOr<pg::Result>& result, absl::string_view id) {
  RETURN_IF_ERROR(result);
  if (result->rows() == 0) {
    return absl::NotFoundError(absl::StrCat("there is no sourceServers/", id));
  }
  return FromRow(*result, 0);
}

absl::Status Remember(pg::Connection& connection, const SourceServer& server,
                      const Change& change) {
  return connection
      .Exec(kRemember, {server.id, Number(server.version), Number(server.lifecycle),
                        std::string(change.event), std::string(change.principal)})
      .status();
}

}  // namespace

absl::StatusOr<SourceServer> GetServer(pg::Connection& connection, const std::string& id) {
  return One(connection.Exec(kGet, {id}), id);
}

absl::StatusOr<std::vector<ReplicationFacts>> ListReplicationFacts(
    pg::Connection& connection, const std::vector<std::string>& ids) {
  ASSIGN_OR_RETURN(const pg::Result found,
                   connection.Exec(kFacts, {absl::StrCat("{", absl::StrJoin(ids, ","), "}")}));
  std::vector<ReplicationFacts> out;
  for (int row = 0; row < found.rows(); ++row) {
    out.push_back({.id = TextOf(found, row, 0),
                   .enrolled = found.Bool(row, 1),
                   .identity_revoked = found.Bool(row, 2),
                   .settings = TextOf(found, row, 3)});
  }
  return out;
}

absl::StatusOr<SourceServer> LockServer(pg::Connection& connection, const std::string& id) {
  return One(connection.Exec(kLock, {id}), id);
}

absl::StatusOr<std::optional<SourceServer>> LockServerOfKey(pg::Connection& connection,
                                                            const std::string& public_key_hash) {
  return AtMostOne(connection.Exec(kLockOfKey, {public_key_hash}));
}

absl::StatusOr<std::optional<SourceServer>> LockServerOfUserProvidedId(
    pg::Connection& connection, const std::string& user_provided_id) {
  return AtMostOne(connection.Exec(kLockOfUserProvidedId, {user_provided_id}));
}

absl::StatusOr<SourceServer> InsertServer(pg::Connection& connection, const SourceServer& server,
                                          const Change& change) {
  ASSIGN_OR_RETURN(
      const SourceServer saved,
      One(connection.Exec(kInsert,
                          {server.id, Number(server.lifecycle), OrNull(server.user_provided_id),
                           OrNull(server.public_key_hash), Number(server.certificate_generation),
                           OrNull(server.renewal_hash), OrNull(server.properties), server.tags,
                           server.replication_settings, server.launch_settings,
                           MicrosOrNull(server.enroll_time), server.notes}),
          server.id));
  RETURN_IF_ERROR(Remember(connection, saved, change));
  return saved;
}

absl::StatusOr<SourceServer> SaveServer(pg::Connection& connection, const SourceServer& server,
                                        const Change& change) {
  const LaunchRecord& test = server.last_test;
  const LaunchRecord& cutover = server.last_cutover;
  ASSIGN_OR_RETURN(const SourceServer saved,
                   One(connection.Exec(kSave, {server.id,
                                               Number(server.lifecycle),
                                               pg::Micros(server.state_time),
                                               Bool(server.archived),
                                               OrNull(server.user_provided_id),
                                               OrNull(server.application),
                                               OrNull(test.job),
                                               MicrosOrNull(test.initiate),
                                               MicrosOrNull(test.finalize),
                                               MicrosOrNull(test.revert),
                                               OrNull(cutover.job),
                                               MicrosOrNull(cutover.initiate),
                                               MicrosOrNull(cutover.finalize),
                                               MicrosOrNull(cutover.revert),
                                               OrNull(server.launch_job),
                                               Number(server.launch_status),
                                               OrNull(server.public_key_hash),
                                               Number(server.certificate_generation),
                                               OrNull(server.renewal_hash),
                                               Bool(server.identity_revoked),
                                               OrNull(server.properties),
                                               OrNull(server.machine),
                                               server.tags,
                                               server.replication_settings,
                                               server.launch_settings,
                                               MicrosOrNull(server.enroll_time),
                                               server.notes}),
                       server.id));
  RETURN_IF_ERROR(Remember(connection, saved, change));
  return saved;
}

absl::Status SaveUse(pg::Connection& connection, const SourceServer& server) {
  return connection.Exec(kSaveUse, {server.id, server.properties}).status();
}

absl::Status DeleteServer(pg::Connection& connection, const std::string& id) {
  return connection.Exec(kDelete, {id}).status();
}

absl::StatusOr<std::vector<SourceServer>> ListServers(pg::Connection& connection,
                                                      const ServerQuery& query) {
  const std::string states = absl::StrCat(
      "{",
      absl::StrJoin(
          query.states, ",",
          [](std::string* out, Lifecycle state) { absl::StrAppend(out, static_cast<int>(state)); }),
      "}");
  return All(connection.Exec(kList, {query.after_id.empty() ? "0" : pg::Micros(query.after_time),
                                     query.after_id, Bool(query.show_archived), states,
                                     query.application, Number(query.limit), query.scope_of}));
}

absl::Status ReadOneInstant(pg::Connection& connection) {
  return connection.Run("set transaction isolation level repeatable read, read only");
}

absl::StatusOr<ServerChanges> ListServerChanges(pg::Connection& connection, std::int64_t after,
                                                int limit) {
  ASSIGN_OR_RETURN(const pg::Result result,
                   connection.Exec(kChanges, {Number(after), Number(limit)}));
  if (result.rows() == 0) return absl::DataLossError("registry.event_head has no row");
  ServerChanges out{.look = {.stream = TextOf(result, 0, 0),
                             .head = result.Int(0, 1),
                             .first = result.Int(0, 2)}};
  for (int row = 0; row < result.rows() && !result.IsNull(row, 3); ++row) {
    ServerChange change{.place = result.Int(row, 3), .id = TextOf(result, row, 4)};
    if (result.Bool(row, 5)) change.server = FromRow(result, row, 6);
    out.changes.push_back(std::move(change));
  }
  const bool all = static_cast<int>(out.changes.size()) < limit;
  out.through = all ? out.look.head : out.changes.back().place;
  return out;
}

absl::StatusOr<std::vector<HistoryRow>> ListHistory(pg::Connection& connection,
                                                    const std::string& id,
                                                    std::int64_t after_version, int limit) {
  ASSIGN_OR_RETURN(const pg::Result result,
                   connection.Exec(kHistory, {id, Number(after_version), Number(limit)}));
  std::vector<HistoryRow> rows;
  for (int row = 0; row < result.rows(); ++row) {
    rows.push_back({.version = result.Int(row, 0),
                    .time = result.Time(row, 1).value_or(absl::UnixEpoch()),
                    .lifecycle = static_cast<Lifecycle>(result.Int(row, 2)),
                    .event = TextOf(result, row, 3),
                    .principal = TextOf(result, row, 4)});
  }
  return rows;
}

}  // namespace godwit::registry::storage
