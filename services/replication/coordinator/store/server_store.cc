#include "services/replication/coordinator/store/server_store.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/domain/verification.h"
#include "services/replication/coordinator/store/params.h"

namespace godwit::coordinator::store {
namespace {

#define GODWIT_SERVER_SELECT                                                                       \
  "select s.id, s.version, s.wish, s.state, replication.micros(s.state_time), s.stall_cause,"      \
  " s.error_message, replication.micros(s.attempt_time), s.transferring,"                          \
  " replication.micros(s.flow_time), coalesce(s.worker_id, ''), s.generation, s.releasing,"        \
  " replication.micros(s.unassigned_since), coalesce(s.store_id, ''),"                             \
  " replication.micros(s.agent_seen_time), s.agent_version, s.boot_id, s.agent_released, s.phase," \
  " s.connected_generation, s.wire_bytes, s.sent_bytes, s.bytes_per_second,"                       \
  " s.drain_bytes_per_second, s.bottleneck_stage, s.bottleneck_permille, s.bottleneck_action,"     \
  " s.agent_error, s.agent_cause, s.abandoned_cut_count, replication.micros(s.idle_time),"         \
  " replication.micros(s.group_seen_time), s.group_generation, s.group_connected, s.group_error,"  \
  " s.group_cause, s.settings, s.keep_agent, replication.micros(s.undo_until),"                    \
  " s.staging_removed, replication.micros(s.verified_time), s.difference_count,"                   \
  " s.agent_difference_count, s.differences, s.bottleneck_shares, s.losses, s.rescan_count,"       \
  " s.rescan_reason, replication.micros(s.rescan_time), s.codec, s.group_allocated_bytes, "        \
  "coalesce(w.endpoint, ''), w.id is not null and not "                                            \
  "w.dead,"                                                                                        \
  " coalesce(p.id, ''), replication.micros(p.cut_time),"                                           \
  " replication.micros(clock_timestamp())"                                                         \
  " from replication.server s left join replication.worker w on w.id = s.worker_id"                \
  " left join lateral (select id, cut_time from replication.point where server_id = s.id"          \
  "  and store_id = s.store_id and state = 1 order by epoch desc limit 1) p on true"

constexpr pg::Statement kLoad = {"server_load", GODWIT_SERVER_SELECT " where s.id = $1"};
constexpr pg::Statement kLock = {"server_lock",
                                 GODWIT_SERVER_SELECT " where s.id = $1 for no key update of s"};
constexpr pg::Statement kLockFree = {"server_lock_free", GODWIT_SERVER_SELECT
                                     " where s.id = any($1::text[]) order by s.id"
                                     " for no key update of s skip locked"};
constexpr pg::Statement kList = {
    "server_list", GODWIT_SERVER_SELECT " where s.id > $1 order by s.id limit $2::int"};
constexpr pg::Statement kListWithin = {
    "server_list_within",
    GODWIT_SERVER_SELECT " where s.id > $1 and s.id = any($3::text[]) order by s.id limit $2::int"};
constexpr pg::Statement kDisks = {
    "server_disks",
    "select server_id, disk_id, device_name, size_bytes, is_boot_disk, tracker, pending_bytes,"
    " replicated_bytes, rescanned_bytes from replication.disk"
    " where server_id = any($1::text[]) order by server_id, ordinal"};
// One statement sees one instant, which pg_current_snapshot() tells. The name of the file of the
// log begins with the number of the time line.
constexpr pg::Statement kChanges = {
    "server_changes",
    "select look.snapshot, look.database, s.id, s.change_xid::text from (select"
    "  pg_current_snapshot()::text as snapshot, (select system_identifier from pg_control_system())"
    "  || '-' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) as database) look"
    " left join replication.server s"
    "  on not pg_visible_in_snapshot(s.change_xid, $1::pg_snapshot)"};
constexpr pg::Statement kUnjudged = {
    "server_unjudged",
    "select id from replication.server"
    " where wish = 1 and update_time < now() - $1::bigint * interval '1 microsecond'"
    " order by update_time limit $2::int"};
constexpr pg::Statement kCountActive = {"server_count_active",
                                        "select count(*) from replication.server where wish = 1"};
constexpr pg::Statement kStart = {
    "server_start",
    "insert into replication.server (id, wish, state) values ($1, 1, 2)"
    // A server that comes back from a stop begins anew and is reported anew.
    " on conflict (id) do update set wish = 1, undo_until = null, keep_agent = false,"
    "  agent_released = false, staging_removed = false, attempt_time = clock_timestamp(),"
    "  sync_reported = server.sync_reported and server.wish in (1, 2),"
    "  transferring = server.transferring and server.wish in (1, 2),"
    "  flow_time = case when server.wish in (1, 2) then server.flow_time end,"
    "  verified_time = case when server.wish in (1, 2) then server.verified_time end,"
    "  difference_count = case when server.wish in (1, 2) then server.difference_count else 0 end,"
    "  differences = case when server.wish in (1, 2) then server.differences else '' end,"
    "  unassigned_since = case when server.worker_id is null then now() end,"
    "  update_time = clock_timestamp()"};
constexpr pg::Statement kWish = {
    "server_wish",
    "update replication.server set wish = $2::smallint, keep_agent = $3::bool,"
    " undo_until = to_timestamp($4::bigint / 1e6), attempt_time = now(),"
    " update_time = clock_timestamp() where id = $1"};
constexpr pg::Statement kAttempt = {
    "server_attempt",
    "update replication.server set attempt_time = clock_timestamp(),"
    " update_time = clock_timestamp() where id = $1"};
constexpr pg::Statement kNewGeneration = {
    "server_new_generation",
    "update replication.server set generation = generation + 1, attempt_time = clock_timestamp(),"
    " update_time = clock_timestamp() where id = $1 and worker_id is not null and not releasing"
    " returning id"};
constexpr pg::Statement kReport = {
    "server_report",
    "update replication.server set agent_seen_time = clock_timestamp(), agent_version = $2,"
    " boot_id = $3, agent_released = $4::bool, phase = $5::smallint,"
    " connected_generation = $6::bigint, wire_bytes = $7::bigint, sent_bytes = $8::bigint,"
    " bytes_per_second = $9::bigint, drain_bytes_per_second = $10::float8,"
    " bottleneck_stage = $11::smallint, bottleneck_permille = $12::int, bottleneck_action = $13,"
    " agent_error = $14, agent_cause = $15::smallint, abandoned_cut_count = $16::int,"
    " idle_time = to_timestamp($17::bigint / 1e6),"
    " verified_time = to_timestamp($18::bigint / 1e6), difference_count = $19::bigint,"
    " agent_difference_count = $20::bigint, differences = $21, bottleneck_shares = $22,"
    " losses = $23, rescan_count = $24::int, rescan_reason = $25,"
    " rescan_time = to_timestamp($26::bigint / 1e6), codec = $27, update_time = clock_timestamp()"
    " where id = $1"};
constexpr pg::Statement kForgetDisks = {
    "disk_forget",
    "delete from replication.disk where server_id = $1 and not disk_id = any($2::text[])"};
constexpr pg::Statement kSaveDisks = {
    "disk_save",
    "insert into replication.disk as d (server_id, disk_id, ordinal, device_name, size_bytes,"
    " is_boot_disk, tracker, pending_bytes, replicated_bytes, rescanned_bytes)"
    " select $1, r.* from jsonb_to_recordset($2::jsonb) as r (disk_id text, ordinal int,"
    " device_name text, size_bytes bigint, is_boot_disk bool, tracker text, pending_bytes bigint,"
    " replicated_bytes bigint, rescanned_bytes bigint)"
    " on conflict (server_id, disk_id) do update set ordinal = excluded.ordinal,"
    " device_name = excluded.device_name, size_bytes = excluded.size_bytes,"
    " is_boot_disk = excluded.is_boot_disk, tracker = excluded.tracker,"
    " pending_bytes = excluded.pending_bytes, replicated_bytes = excluded.replicated_bytes,"
    " rescanned_bytes = excluded.rescanned_bytes"
    " where d is distinct from excluded"};
constexpr pg::Statement kVerdict = {
    "server_verdict",
    "update replication.server set"
    " state_time = case when state = $2::smallint then state_time else clock_timestamp() end,"
    " state = $2::smallint, stall_cause = $3::smallint, error_message = $4,"
    " transferring = $5::bool,"
    " flow_time = case when $6::bool then clock_timestamp() else flow_time end,"
    " update_time = clock_timestamp() where id = $1"};
constexpr pg::Statement kSettings = {
    "server_settings",
    "update replication.server set settings = $2::bytea, worker_labels = $3::jsonb where id = $1"};
constexpr pg::Statement kRemember = {
    "server_remember",
    "with changed as (update replication.server set version = version + 1,"
    " update_time = clock_timestamp() where id = $1 returning id, version, state, stall_cause,"
    " error_message, worker_id, generation)"
    " insert into replication.server_history (server_id, version, state, stall_cause,"
    " error_message, worker_id, generation)"
    " select id, version, state, stall_cause, error_message, worker_id, generation from changed"};

constexpr pg::Statement kForgetHistory = {
    "server_forget_history",
    "delete from replication.server_history where time < now() - interval '90 days'"};

Server FromRow(const pg::Result& result, int index) {
  Row row(result, index);
  Server out;
  out.id = row.Text();
  out.version = row.Int();
  out.wish = static_cast<Wish>(row.Small());
  out.state = static_cast<State>(row.Small());
  out.state_time = row.TimeOrPast();
  out.stall_cause = static_cast<StallCause>(row.Small());
  out.error_message = row.Text();
  out.attempt_time = row.TimeOrPast();
  out.transferring = row.Bool();
  out.flow_time = row.Time();
  out.worker_id = row.Text();
  out.generation = row.Int();
  out.releasing = row.Bool();
  out.unassigned_since = row.Time();
  out.store_id = row.Text();
  out.agent_seen_time = row.Time();
  out.agent_version = row.Text();
  out.boot_id = row.Text();
  out.agent_released = row.Bool();
  out.phase = static_cast<Phase>(row.Small());
  out.connected_generation = row.Int();
  out.wire_bytes = row.Int();
  out.sent_bytes = row.Int();
  out.bytes_per_second = row.Int();
  out.drain_bytes_per_second = row.Double();
  out.bottleneck_stage = row.Small();
  out.bottleneck_permille = row.Small();
  out.bottleneck_action = row.Text();
  out.agent_error = row.Text();
  out.agent_cause = static_cast<StallCause>(row.Small());
  out.abandoned_cut_count = row.Small();
  out.idle_time = row.Time();
  out.group_seen_time = row.Time();
  out.group_generation = row.Int();
  out.group_connected = row.Bool();
  out.group_error = row.Text();
  out.group_cause = static_cast<StallCause>(row.Small());
  out.settings = row.Bytes();
  out.keep_agent = row.Bool();
  out.undo_until = row.Time();
  out.staging_removed = row.Bool();
  out.verified_time = row.Time();
  out.difference_count = row.Int();
  out.agent_difference_count = row.Int();
  out.differences = ReadDifferences(row.Text());
  out.bottleneck_shares = ToFigures(row.Text());
  out.losses = ToFigures(row.Text());
  out.rescan_count = row.Small();
  out.rescan_reason = row.Text();
  out.rescan_time = row.Time();
  out.codec = row.Text();
  out.group_allocated_bytes = row.Int();
  out.worker_endpoint = row.Text();
  out.worker_alive = row.Bool();
  out.latest_point_id = row.Text();
  out.latest_cut_time = row.Time();
  out.now = row.TimeOrPast();
  return out;
}

absl::StatusOr<std::vector<Server>> WithDisks(pg::Connection& connection, const pg::Result& found) {
  std::vector<Server> servers;
  std::map<std::string, std::size_t> index;
  std::vector<std::string> ids;
  for (int row = 0; row < found.rows(); ++row) {
    servers.push_back(FromRow(found, row));
    index[servers.back().id] = servers.size() - 1;
    ids.push_back(servers.back().id);
  }
  ASSIGN_OR_RETURN(const pg::Result disks, connection.Exec(kDisks, {Ids(ids)}));
  for (int i = 0; i < disks.rows(); ++i) {
    Row row(disks, i);
    Server& server = servers[index[row.Text()]];
    Disk disk;
    disk.disk_id = row.Text();
    disk.device_name = row.Text();
    disk.size_bytes = row.Int();
    disk.is_boot_disk = row.Bool();
    disk.tracker = row.Text();
    disk.pending_bytes = row.Int();
    disk.replicated_bytes = row.Int();
    disk.rescanned_bytes = row.Int();
    server.disks.push_back(std::move(disk));
  }
  return servers;
}

absl::StatusOr<Server> One(pg::Connection& connection, const pg::Statement& statement,
                           const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(statement, {id}));
  if (found.rows() == 0) {
    return absl::NotFoundError(absl::StrCat("sourceServers/", id, "/replication: not known here"));
  }
  ASSIGN_OR_RETURN(std::vector<Server> servers, WithDisks(connection, found));
  return std::move(servers[0]);
}

std::string DisksJson(const std::vector<Disk>& disks) {
  std::string out = "[";
  for (std::size_t i = 0; i < disks.size(); ++i) {
    const Disk& disk = disks[i];
    absl::StrAppend(
        &out, i == 0 ? "" : ",", "{\"disk_id\":", Quoted(disk.disk_id), ",\"ordinal\":", i,
        ",\"device_name\":", Quoted(disk.device_name), ",\"size_bytes\":", disk.size_bytes,
        ",\"is_boot_disk\":", disk.is_boot_disk ? "true" : "false",
        ",\"tracker\":", Quoted(disk.tracker), ",\"pending_bytes\":", disk.pending_bytes,
        ",\"replicated_bytes\":", disk.replicated_bytes,
        ",\"rescanned_bytes\":", disk.rescanned_bytes, "}");
  }
  return absl::StrCat(out, "]");
}

}  // namespace

absl::StatusOr<Server> LoadServer(pg::Connection& connection, const std::string& id) {
  return One(connection, kLoad, id);
}

absl::StatusOr<Server> LockServer(pg::Connection& connection, const std::string& id) {
  return One(connection, kLock, id);
}

absl::StatusOr<std::vector<Server>> LockFreeServers(pg::Connection& connection,
                                                    const std::vector<std::string>& ids) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kLockFree, {Ids(ids)}));
  return WithDisks(connection, found);
}

absl::StatusOr<std::vector<Server>> ListServers(pg::Connection& connection,
                                                const std::string& after, int limit) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kList, {after, Number(limit)}));
  return WithDisks(connection, found);
}

absl::StatusOr<std::vector<Server>> ListServersWithin(pg::Connection& connection,
                                                      const std::vector<std::string>& among,
                                                      const std::string& after, int limit) {
  const std::string ids = absl::StrCat("{", absl::StrJoin(among, ","), "}");
  ASSIGN_OR_RETURN(const pg::Result found,
                   connection.Exec(kListWithin, {after, Number(limit), ids}));
  return WithDisks(connection, found);
}

absl::Status ReadOneInstant(pg::Connection& connection) {
  return connection.Run("set transaction isolation level repeatable read, read only");
}

absl::StatusOr<Changes> ListChanges(pg::Connection& connection, const Snapshot& seen) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kChanges, {FormatSnapshot(seen)}));
  Changes out{.database = std::string(found.Text(0, 1))};
  ASSIGN_OR_RETURN(out.now, ParseSnapshot(found.Text(0, 0)));
  for (int i = 0; i < found.rows() && !found.IsNull(i, 2); ++i) {
    WatchRow row{.id = std::string(found.Text(i, 2))};
    if (!absl::SimpleAtoi(found.Text(i, 3), &row.transaction)) {
      return absl::DataLossError("replication.server.change_xid is no number");
    }
    out.rows.push_back(std::move(row));
  }
  return out;
}

absl::StatusOr<std::vector<std::string>> ListUnjudged(pg::Connection& connection,
                                                      absl::Duration age, int limit) {
  ASSIGN_OR_RETURN(
      const pg::Result found,
      connection.Exec(kUnjudged, {Number(absl::ToInt64Microseconds(age)), Number(limit)}));
  std::vector<std::string> out;
  for (int i = 0; i < found.rows(); ++i) out.emplace_back(found.Text(i, 0));
  return out;
}

absl::StatusOr<std::int64_t> CountActive(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kCountActive));
  return found.Int(0, 0);
}

absl::Status StartServer(pg::Connection& connection, const std::string& id) {
  return connection.Exec(kStart, {id}).status();
}

absl::Status SetWish(pg::Connection& connection, const std::string& id, Wish wish, bool keep_agent,
                     std::optional<absl::Time> undo_until) {
  return connection.Exec(kWish, {id, Code(wish), Flag(keep_agent), When(undo_until)}).status();
}

absl::Status BeginAttempt(pg::Connection& connection, const std::string& id) {
  return connection.Exec(kAttempt, {id}).status();
}

absl::Status SaveReport(pg::Connection& connection, const Server& server) {
  RETURN_IF_ERROR(connection
                      .Exec(kReport, {server.id,
                                      server.agent_version,
                                      server.boot_id,
                                      Flag(server.agent_released),
                                      Code(server.phase),
                                      Number(server.connected_generation),
                                      Number(server.wire_bytes),
                                      Number(server.sent_bytes),
                                      Number(server.bytes_per_second),
                                      absl::StrCat(server.drain_bytes_per_second),
                                      Number(server.bottleneck_stage),
                                      Number(server.bottleneck_permille),
                                      server.bottleneck_action,
                                      server.agent_error,
                                      Code(server.agent_cause),
                                      Number(server.abandoned_cut_count),
                                      When(server.idle_time),
                                      When(server.verified_time),
                                      Number(server.difference_count),
                                      Number(server.agent_difference_count),
                                      WriteDifferences(server.differences),
                                      ToText(server.bottleneck_shares),
                                      ToText(server.losses),
                                      Number(server.rescan_count),
                                      server.rescan_reason,
                                      When(server.rescan_time),
                                      server.codec})
                      .status());
  std::vector<std::string> ids;
  for (const Disk& disk : server.disks) ids.push_back(disk.disk_id);
  RETURN_IF_ERROR(connection.Exec(kForgetDisks, {server.id, Ids(ids)}).status());
  return connection.Exec(kSaveDisks, {server.id, DisksJson(server.disks)}).status();
}

absl::Status SaveVerdict(pg::Connection& connection, const Server& before, State state,
                         StallCause cause, const std::string& message, bool transferring,
                         bool flowing) {
  RETURN_IF_ERROR(connection
                      .Exec(kVerdict, {before.id, Code(state), Code(cause), message,
                                       Flag(transferring), Flag(flowing)})
                      .status());
  if (state == before.state && cause == before.stall_cause) return absl::OkStatus();
  return Remember(connection, before.id);
}

absl::Status SaveSettings(pg::Connection& connection, const std::string& id,
                          const std::string& settings,
                          const std::map<std::string, std::string>& worker_labels) {
  return connection.Exec(kSettings, {id, pg::BytesParam(settings), Object(worker_labels)}).status();
}

absl::Status NewGeneration(pg::Connection& connection, const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result raised, connection.Exec(kNewGeneration, {id}));
  return raised.rows() == 0 ? absl::OkStatus() : Remember(connection, id);
}

absl::Status Remember(pg::Connection& connection, const std::string& id) {
  return connection.Exec(kRemember, {id}).status();
}

absl::Status ForgetHistory(pg::Connection& connection) {
  return connection.Exec(kForgetHistory).status();
}

}  // namespace godwit::coordinator::store
