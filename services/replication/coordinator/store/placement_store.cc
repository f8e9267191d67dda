#include "services/replication/coordinator/store/placement_store.h"

#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/store/params.h"
#include "services/replication/coordinator/store/server_store.h"
#include "services/replication/coordinator/store/worker_sql.h"

namespace godwit::coordinator::store {
namespace {

constexpr pg::Statement kReap = {
    "worker_reap",
    "update replication.worker set dead = true where id in (select id from replication.worker"
    " where not dead and lease_until < clock_timestamp() for update skip locked) returning id"};
constexpr pg::Statement kFreeOfDead = {
    "worker_free_of_dead",
    "update replication.server set " GODWIT_FREE
    " where worker_id in (select id from replication.worker where dead) returning id"};
constexpr pg::Statement kFinishReleases = {
    "server_finish_releases",
    "update replication.server set " GODWIT_FREE
    " where releasing and release_until < clock_timestamp() returning id"};
constexpr pg::Statement kRelease = {
    "server_release",
    // The lock waits for a heartbeat that may just be renewing the lease with this server in it.
    "with w as (select w.id, w.lease_until from replication.worker w where w.id ="
    " (select worker_id from replication.server where id = $1) for share)"
    " update replication.server s set releasing = true, release_until = w.lease_until,"
    " update_time = clock_timestamp() from w"
    " where s.id = $1 and w.id = s.worker_id and not s.releasing"};
constexpr pg::Statement kForgetStore = {
    "server_forget_store",
    "update replication.server set store_id = null, staging_removed = true,"
    " update_time = clock_timestamp() where id = $1 and worker_id is null"};
#define GODWIT_WAITING \
  "select s.id, coalesce(s.store_id, ''), " GODWIT_PAIRS("s.worker_labels") \
  ", (extract(epoch from now() - s.unassigned_since) * 1e6)::bigint from replication.server s"
// Disconnected servers whose undo window is over and that no clone needs.
constexpr pg::Statement kRemovable = {
    "server_removable",
    "select s.id from replication.server s where s.wish = 4 and not s.staging_removed"
    " and s.undo_until <= clock_timestamp() and not exists"
    "  (select from replication.clone c where c.server_id = s.id and c.state in (1, 2, 3))"
    " and not exists (select from replication.worker_order o where o.server_id = s.id"
    "  and o.kind = 4 and o.state = 1) order by s.id limit $1::int"};
// Servers that have a point in their present store and replicas in former ones.
constexpr pg::Statement kMoved = {
    "server_moved",
    "select s.id, o.store_id from replication.server s, unnest(s.old_store_ids) as o (store_id)"
    " where s.old_store_ids <> '{}' and (s.wish = 4 or exists (select from replication.point p"
    "  where p.server_id = s.id and p.store_id = s.store_id and p.state = 1))"
    " and not exists (select from replication.point p join replication.clone c"
    "  on c.point_id = p.id where p.server_id = s.id and p.store_id = o.store_id"
    "  and c.state in (1, 2, 3)) order by s.id limit $1::int"};
constexpr pg::Statement kForgetOldStore = {
    "server_forget_old_store",
    "update replication.server set old_store_ids = array_remove(old_store_ids, $2)"
    " where id = $1"};
constexpr pg::Statement kOnDraining = {
    "server_on_draining",
    GODWIT_WAITING " where s.worker_id = $1 and not s.releasing order by s.id limit $2::int"};
constexpr pg::Statement kCountReleasing = {
    "server_count_releasing",
    "select count(*) from replication.server where worker_id = $1 and releasing"};
// A server that was disconnected keeps a lease until its staging is removed.
constexpr pg::Statement kWaiting = {
    "server_waiting", GODWIT_WAITING
    " where s.worker_id is null and exists (select from replication.disk where server_id = s.id)"
    " and (s.wish in (1, 2) or s.store_id is not null) and not s.staging_removed"
    " and not exists (select from replication.worker_order o where o.server_id = s.id"
    "  and o.kind = 4 and o.state = 1 and o.store_id = s.store_id)"
    " and not (s.wish = 4 and s.undo_until <= clock_timestamp() and not exists"
    "  (select from replication.clone c where c.server_id = s.id and c.state in (1, 2, 3)))"
    " order by s.unassigned_since, s.id limit $1::int"};
constexpr pg::Statement kPlace = {
    "server_place",
    "update replication.server s set worker_id = $2, generation = generation + 1,"
    " unassigned_since = null, attempt_time = clock_timestamp(),"
    " old_store_ids = case when s.store_id <> $3 and not s.store_id = any(old_store_ids)"
    "  then old_store_ids || s.store_id else array_remove(old_store_ids, $3) end,"
    " store_id = $3, update_time = clock_timestamp()"
    " from replication.worker w where s.id = $1 and s.worker_id is null and w.id = $2"
    " and not w.dead and not w.draining and not w.leaving returning s.id"};
// "godwit-p" in ASCII.
constexpr pg::Statement kLockPlacement = {"placement_lock",
                                          "select pg_advisory_xact_lock(7453295180013940080)"};
constexpr pg::Statement kTryLockPlacement = {
    "placement_try_lock", "select pg_try_advisory_xact_lock(7453295180013940080)"};

std::vector<Waiting> WaitingOf(const pg::Result& found) {
  std::vector<Waiting> out;
  for (int i = 0; i < found.rows(); ++i) {
    Row row(found, i);
    Waiting waiting;
    waiting.server_id = row.Text();
    waiting.store_id = row.Text();
    waiting.labels = Pairs(row.Text());
    waiting.waited = absl::Microseconds(row.Int());
    out.push_back(std::move(waiting));
  }
  return out;
}

}  // namespace

absl::Status LockPlacement(pg::Connection& connection) {
  return connection.Exec(kLockPlacement).status();
}

absl::StatusOr<bool> TryLockPlacement(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result taken, connection.Exec(kTryLockPlacement));
  return taken.Bool(0, 0);
}

absl::StatusOr<std::vector<std::string>> Reap(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result dead, connection.Exec(kReap));
  std::vector<std::string> ids;
  for (int i = 0; i < dead.rows(); ++i) ids.emplace_back(dead.Text(i, 0));
  ASSIGN_OR_RETURN(const pg::Result freed, connection.Exec(kFreeOfDead));
  RETURN_IF_ERROR(RememberAll(connection, freed));
  return ids;
}

absl::StatusOr<std::int64_t> FinishReleases(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result freed, connection.Exec(kFinishReleases));
  RETURN_IF_ERROR(RememberAll(connection, freed));
  return freed.rows();
}

absl::Status Release(pg::Connection& connection, const std::string& server_id) {
  return connection.Exec(kRelease, {server_id}).status();
}

absl::Status ForgetStore(pg::Connection& connection, const std::string& server_id) {
  return connection.Exec(kForgetStore, {server_id}).status();
}

absl::StatusOr<std::vector<std::string>> ListRemovable(pg::Connection& connection, int limit) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kRemovable, {Number(limit)}));
  std::vector<std::string> out;
  for (int i = 0; i < found.rows(); ++i) out.emplace_back(found.Text(i, 0));
  return out;
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ListMoved(
    pg::Connection& connection, int limit) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kMoved, {Number(limit)}));
  std::vector<std::pair<std::string, std::string>> out;
  for (int i = 0; i < found.rows(); ++i) out.emplace_back(found.Text(i, 0), found.Text(i, 1));
  return out;
}

absl::Status ForgetOldStore(pg::Connection& connection, const std::string& server_id,
                            const std::string& store_id) {
  return connection.Exec(kForgetOldStore, {server_id, store_id}).status();
}

absl::StatusOr<std::vector<Waiting>> ListOnDraining(pg::Connection& connection,
                                                    const std::string& worker_id, int limit) {
  ASSIGN_OR_RETURN(const pg::Result found,
                   connection.Exec(kOnDraining, {worker_id, Number(limit)}));
  return WaitingOf(found);
}

absl::StatusOr<std::int64_t> CountReleasing(pg::Connection& connection,
                                            const std::string& worker_id) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kCountReleasing, {worker_id}));
  return found.Int(0, 0);
}

absl::StatusOr<std::vector<Waiting>> ListWaiting(pg::Connection& connection, int limit) {
  ASSIGN_OR_RETURN(const pg::Result found, connection.Exec(kWaiting, {Number(limit)}));
  return WaitingOf(found);
}

absl::StatusOr<bool> Place(pg::Connection& connection, const Placement& placement) {
  ASSIGN_OR_RETURN(
      const pg::Result placed,
      connection.Exec(kPlace, {placement.server_id, placement.worker_id, placement.store_id}));
  if (placed.rows() == 0) return false;
  RETURN_IF_ERROR(Remember(connection, placement.server_id));
  return true;
}

}  // namespace godwit::coordinator::store
