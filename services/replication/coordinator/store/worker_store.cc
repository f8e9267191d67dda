#include "services/replication/coordinator/store/worker_store.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/store/params.h"
#include "services/replication/coordinator/store/placement_store.h"
#include "services/replication/coordinator/store/server_store.h"
#include "services/replication/coordinator/store/worker_sql.h"

namespace godwit::coordinator::store {
namespace {

#define GODWIT_MICROSECONDS(parameter) parameter "::bigint * interval '1 microsecond'"
constexpr pg::Statement kRegister = {
    "worker_register",
    "insert into replication.worker (id, incarnation, endpoint, store_id, labels,"
    " max_server_count, version, lease_until, seen_time)"
    " values ($1, 1, $2, $3, $4::jsonb, $5::int, $6,"
    "  clock_timestamp() + " GODWIT_MICROSECONDS("$7") ", clock_timestamp())"
    " on conflict (id) do update set incarnation = worker.incarnation + 1,"
    " endpoint = excluded.endpoint, store_id = excluded.store_id, labels = excluded.labels,"
    " max_server_count = excluded.max_server_count, version = excluded.version,"
    " leaving = false, dead = false, lease_until = excluded.lease_until,"
    " seen_time = excluded.seen_time returning incarnation"};
constexpr pg::Statement kStoreConflict = {
    "worker_store_conflict",
    "select id from replication.server where worker_id = $1 and store_id <> $2 limit 1"};
constexpr pg::Statement kNewGenerations = {
    "worker_new_generations",
    "update replication.server set generation = generation + 1, update_time = clock_timestamp()"
    " where worker_id = $1 and not releasing returning id"};
constexpr pg::Statement kLockWorker = {
    "worker_lock",
    // No stronger: a second update of a server in one transaction looks at its worker (foreign
    // key).
    "select incarnation, store_id from replication.worker where id = $1 for no key update"};
constexpr pg::Statement kIncarnation = {
    "worker_incarnation", "select incarnation, store_id from replication.worker where id = $1"};
constexpr pg::Statement kRenew = {
    "worker_renew",
    "update replication.worker set dead = false, leaving = $2::bool,"
    " lease_until = clock_timestamp() + " GODWIT_MICROSECONDS("$3") ","
    " seen_time = clock_timestamp(), store_total_bytes = $4::bigint,"
    " store_free_bytes = $5::bigint where id = $1"};
constexpr pg::Statement kGroups = {
    "worker_groups",
    "update replication.server s set group_seen_time = now(), group_generation = r.generation,"
    " group_connected = r.connected, group_received_bytes = r.received_bytes,"
    " group_allocated_bytes = r.allocated_bytes, group_error = r.error,"
    " group_cause = r.cause"
    " from jsonb_to_recordset($2::jsonb) as r (server_id text, generation bigint, connected bool,"
    " received_bytes bigint, allocated_bytes bigint, error text, cause smallint)"
    " where s.id = r.server_id and s.worker_id = $1 and s.generation = r.generation"
    " and (s.group_generation <> r.generation or s.group_connected <> r.connected"
    "  or s.group_error <> r.error or s.group_cause <> r.cause"
    "  or s.group_allocated_bytes <> r.allocated_bytes"
    "  or s.group_seen_time < now() - interval '10 seconds')"};
constexpr pg::Statement kPointSizes = {
    "worker_point_sizes",
    "update replication.point p set own_bytes = r.own_bytes"
    " from jsonb_to_recordset($2::jsonb) as r (server_id text, generation bigint, epoch bigint,"
    " own_bytes bigint) join replication.server s on s.id = r.server_id"
    " where s.worker_id = $1 and s.generation = r.generation and p.server_id = s.id"
    " and p.store_id = s.store_id and p.epoch = r.epoch and p.own_bytes is distinct from "
    "r.own_bytes"};
constexpr pg::Statement kFreeUnheld = {
    "worker_free_unheld", "update replication.server set " GODWIT_FREE
                          " where worker_id = $1 and not id = any($2::text[]) returning id"};
constexpr pg::Statement kReleaseAll = {
    "worker_release_all",
    "update replication.server s set releasing = true, release_until = w.lease_until"
    " from replication.worker w where w.id = s.worker_id and w.id = $1 and not s.releasing"};
constexpr pg::Statement kEndLease = {
    "worker_end_lease",
    "update replication.worker w set lease_until = clock_timestamp(), dead = true where id = $1"
    " and not exists (select from replication.server where worker_id = w.id)"};
constexpr pg::Statement kLeases = {
    "worker_leases",
    "select s.id, s.generation, s.settings, d.disk_id, d.device_name, d.size_bytes, d.is_boot_disk"
    " from replication.server s join replication.disk d on d.server_id = s.id"
    " where s.worker_id = $1 and not s.releasing order by s.id, d.ordinal"};

#define GODWIT_WORKER_COLUMNS \
  "w.id, w.incarnation, w.endpoint, w.store_id, " GODWIT_PAIRS("w.labels") ","                   \
  " w.max_server_count, w.version, w.draining, w.leaving, w.dead,"                              \
  " replication.micros(w.seen_time), w.store_total_bytes, w.store_free_bytes,"                  \
  " (select count(*) from replication.server where worker_id = w.id)"
constexpr pg::Statement kLoad = {
    "worker_load", "select " GODWIT_WORKER_COLUMNS " from replication.worker w where w.id = $1"};
constexpr pg::Statement kList = {"worker_list", "select " GODWIT_WORKER_COLUMNS
                                                " from replication.worker w where w.id > $1"
                                                " order by w.id limit $2::int"};
constexpr pg::Statement kDraining = {
    "worker_draining", "update replication.worker set draining = $2::bool where id = $1"};
Worker FromRow(const pg::Result& result, int index) {
  Row row(result, index);
  Worker out;
  out.id = row.Text();
  out.incarnation = row.Int();
  out.endpoint = row.Text();
  out.store_id = row.Text();
  out.labels = Pairs(row.Text());
  out.max_server_count = row.Small();
  out.version = row.Text();
  out.draining = row.Bool();
  out.leaving = row.Bool();
  out.dead = row.Bool();
  out.seen_time = row.TimeOrPast();
  out.store_total_bytes = row.Int();
  out.store_free_bytes = row.Int();
  out.server_count = row.Small();
  return out;
}

std::string GroupsJson(const std::vector<GroupReport>& groups) {
  std::string out = "[";
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const GroupReport& group = groups[i];
    absl::StrAppend(
        &out, i == 0 ? "" : ",", "{\"server_id\":", Quoted(group.server_id),
        ",\"generation\":", group.generation, ",\"connected\":", group.connected ? "true" : "false",
        ",\"received_bytes\":", group.received_bytes,
        ",\"allocated_bytes\":", group.allocated_bytes, ",\"error\":", Quoted(group.error),
        ",\"cause\":", static_cast<int>(group.cause), "}");
  }
  return absl::StrCat(out, "]");
}

std::string PointSizesJson(const std::vector<GroupReport>& groups) {
  std::string out = "[";
  for (const GroupReport& group : groups) {
    for (const auto& [epoch, own_bytes] : group.point_sizes) {
      absl::StrAppend(&out, out.size() == 1 ? "" : ",", "{\"server_id\":", Quoted(group.server_id),
                      ",\"generation\":", group.generation, ",\"epoch\":", epoch,
                      ",\"own_bytes\":", own_bytes, "}");
    }
  }
  return absl::StrCat(out, "]");
}

absl::Status CheckRow(const pg::Result& found, const std::string& worker_id,
                      std::int64_t incarnation, std::string* store_id) {
  if (found.rows() == 0) {
    return absl::AbortedError(absl::StrCat("workers/", worker_id, " is not registered"));
  }
  if (found.Int(0, 0) != incarnation) {
    absl::Status status =
        absl::AbortedError(absl::StrCat("incarnation: ", incarnation, " is old; workers/",
                                        worker_id, " registered again as ", found.Int(0, 0)));
    status.SetPayload("godwit/stale", absl::Cord("1"));
    return status;
  }
  if (store_id != nullptr) *store_id = std::string(found.Text(0, 1));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::int64_t> RegisterWorker(pg::Connection& connection, const Worker& worker,
                                            absl::Duration lease) {
  RETURN_IF_ERROR(LockPlacement(connection));
  ASSIGN_OR_RETURN(const pg::Result conflict,
                   connection.Exec(kStoreConflict, {worker.id, worker.store_id}));
  if (conflict.rows() > 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "store_id: workers/", worker.id, " has sourceServers/", std::string(conflict.Text(0, 0)),
        " in another store; start it on that store, or give the new store another worker name"));
  }
  ASSIGN_OR_RETURN(
      const pg::Result saved,
      connection.Exec(kRegister, {worker.id, worker.endpoint, worker.store_id,
                                  Object(worker.labels), Number(worker.max_server_count),
                                  worker.version, Number(absl::ToInt64Microseconds(lease))}));
  ASSIGN_OR_RETURN(const pg::Result renewed, connection.Exec(kNewGenerations, {worker.id}));
  RETURN_IF_ERROR(RememberAll(connection, renewed));
  return saved.Int(0, 0);
}

absl::Status RenewWorker(pg::Connection& connection, const WorkerReport& report,
                         absl::Duration lease) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kLockWorker, {report.id}));
  RETURN_IF_ERROR(CheckRow(found, report.id, report.incarnation, nullptr));
  RETURN_IF_ERROR(
      connection
          .Exec(kRenew, {report.id, Flag(report.leaving), Number(absl::ToInt64Microseconds(lease)),
                         Number(report.store_total_bytes), Number(report.store_free_bytes)})
          .status());
  if (report.groups.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(connection.Exec(kGroups, {report.id, GroupsJson(report.groups)}).status());
  const std::string sizes = PointSizesJson(report.groups);
  if (sizes == "[]") return absl::OkStatus();
  return connection.Exec(kPointSizes, {report.id, sizes}).status();
}

absl::Status LetGo(pg::Connection& connection, const WorkerReport& report) {
  std::vector<std::string> held;
  for (const GroupReport& group : report.groups) held.push_back(group.server_id);
  ASSIGN_OR_RETURN(const pg::Result freed, connection.Exec(kFreeUnheld, {report.id, Ids(held)}));
  RETURN_IF_ERROR(RememberAll(connection, freed));
  RETURN_IF_ERROR(connection.Exec(kReleaseAll, {report.id}).status());
  return connection.Exec(kEndLease, {report.id}).status();
}

absl::StatusOr<std::vector<LeasedGroup>> ListLeases(pg::Connection& connection,
                                                    const std::string& worker_id) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kLeases, {worker_id}));
  std::vector<LeasedGroup> out;
  for (int i = 0; i < found.rows(); ++i) {
    Row row(found, i);
    std::string server = row.Text();
    const std::int64_t generation = row.Int();
    std::string settings = row.Bytes();
    if (out.empty() || out.back().server_id != server) {
      out.push_back({.server_id = std::move(server),
                     .generation = generation,
                     .settings = std::move(settings)});
    }
    Disk disk;
    disk.disk_id = row.Text();
    disk.device_name = row.Text();
    disk.size_bytes = row.Int();
    disk.is_boot_disk = row.Bool();
    out.back().disks.push_back(std::move(disk));
  }
  return out;
}

absl::Status CheckIncarnation(pg::Connection& connection, const std::string& worker_id,
                              std::int64_t incarnation, std::string* store_id) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kIncarnation, {worker_id}));
  return CheckRow(found, worker_id, incarnation, store_id);
}

absl::StatusOr<Worker> LoadWorker(pg::Connection& connection, const std::string& id) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kLoad, {id}));
  if (found.rows() == 0) return absl::NotFoundError(absl::StrCat("workers/", id));
  return FromRow(found, 0);
}

absl::StatusOr<std::vector<Worker>> ListWorkers(pg::Connection& connection,
                                                const std::string& after, int limit) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kList, {after, Number(limit)}));
  std::vector<Worker> out;
  for (int i = 0; i < found.rows(); ++i) out.push_back(FromRow(found, i));
  return out;
}

absl::Status SetDraining(pg::Connection& connection, const std::string& id, bool draining) {
  ASSIGN_OR_RETURN(const pg::Result changed, connection.Exec(kDraining, {id, Flag(draining)}));
  if (changed.affected() == 0) return absl::NotFoundError(absl::StrCat("workers/", id));
  return absl::OkStatus();
}

}  // namespace godwit::coordinator::store
