// Wave runs as users see them.
#include "services/jobs/storage/pg_wave_store.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/domain/wave_errors.h"
#include "services/jobs/storage/codec.h"
#include "services/jobs/storage/rows.h"
#include "services/jobs/storage/wave_codec.h"
#include "services/jobs/storage/wave_rows.h"

namespace godwit::jobs {
namespace {

constexpr pg::Statement kInsert = {
    "wave_insert",
    "INSERT INTO jobs.wave_run (run_id, request_id, request_hash, kind, wave, wave_name, "
    "initiated_by, options, request) VALUES ($1, $2::uuid, $3, $4::smallint, $5, $6, $7, "
    "$8::jsonb, $9) ON CONFLICT DO NOTHING"};
constexpr pg::Statement kByRequest = {
    "wave_by_request",
    "SELECT run_id, request_hash FROM jobs.wave_run WHERE request_id = $1::uuid"};
constexpr pg::Statement kActiveOf = {
    "wave_active_of", "SELECT run_id FROM jobs.wave_run WHERE wave = $1 AND state < 6"};
constexpr pg::Statement kGet = {
    "wave_get", "SELECT " GODWIT_WAVE_RUN_COLUMNS " FROM jobs.wave_run w WHERE w.run_id = $1"};
constexpr pg::Statement kLock = {"wave_lock",
                                 "SELECT " GODWIT_WAVE_RUN_COLUMNS
                                 " FROM jobs.wave_run w WHERE w.run_id = $1 FOR UPDATE"};
constexpr pg::Statement kList = {
    "wave_list", "SELECT " GODWIT_WAVE_RUN_COLUMNS
                 " FROM jobs.wave_run w WHERE ($1::bigint = 0 OR w.key < $1::bigint) "
                 "AND (NOT $2::bool OR w.state < 6) AND ($3 = '' OR w.wave = $3) "
                 "AND ($5::text[] IS NULL OR w.wave = ANY ($5::text[])) "
                 "ORDER BY w.key DESC LIMIT $4::int"};
constexpr pg::Statement kEvents = {
    "wave_events",
    "SELECT sequence, (extract(epoch FROM time) * 1e6)::bigint, type, application, server, "
    "message FROM jobs.wave_event WHERE run_id = $1 AND sequence > $2::bigint "
    "ORDER BY sequence LIMIT $3::int"};
constexpr pg::Statement kVersion = {"wave_version",
                                    "SELECT version FROM jobs.wave_run WHERE run_id = $1"};
constexpr pg::Statement kWaveOf = {"wave_of", "SELECT wave FROM jobs.wave_run WHERE run_id = $1"};
constexpr pg::Statement kRemember = {
    "wave_request_remember",
    "INSERT INTO jobs.wave_request (request_id, run_id, request_hash) VALUES ($1::uuid, $2, $3) "
    "ON CONFLICT DO NOTHING"};
constexpr pg::Statement kRemembered = {
    "wave_request_remembered",
    "SELECT run_id, request_hash FROM jobs.wave_request WHERE request_id = $1::uuid"};
constexpr pg::Statement kWake = {
    "wave_wake",
    "UPDATE jobs.wave_run SET due_at = CASE WHEN owner IS NULL THEN clock_timestamp() "
    "ELSE due_at END WHERE run_id = $1"};
constexpr pg::Statement kNotify = {"wave_notify", "SELECT pg_notify('godwit_jobs', '')"};
constexpr pg::Statement kJobsUnderWay = {
    "wave_jobs_under_way",
    "SELECT server, job_id FROM jobs.run WHERE server = ANY (string_to_array($1, ',')) "
    "AND state < 5 AND type IN (1, 2, 3)"};
constexpr pg::Statement kJobOfRequest = {"wave_job_of_request",
                                         "SELECT job_id FROM jobs.job WHERE request_id = $1::uuid"};

absl::Status NoSuchRun(const std::string& run_id) {
  return absl::NotFoundError(absl::StrCat("no wave run ", run_id));
}
absl::Status RequestReused() {
  return absl::InvalidArgumentError(
      "request_id: was used before with another request; choose a new one");
}

absl::StatusOr<WaveRun> Load(pg::Connection& connection, const pg::Statement& statement,
                             const std::string& run_id) {
  ASSIGN_OR_RETURN(const pg::Result rows, connection.Exec(statement, {run_id}));
  if (rows.rows() == 0) return NoSuchRun(run_id);
  std::int64_t key = 0;
  ASSIGN_OR_RETURN(WaveRun run, WaveRunFromRow(rows, 0, &key));
  RETURN_IF_ERROR(LoadGroups(connection, &run));
  return run;
}

// Whether this request was done before. INVALID_ARGUMENT: it was another one.
absl::StatusOr<bool> WasDone(pg::Transaction& transaction, const WaveChange& change) {
  ASSIGN_OR_RETURN(
      const pg::Result made,
      transaction.Exec(kRemember, {change.request_id, change.run_id, change.request_hash}));
  if (made.affected() != 0) return false;
  ASSIGN_OR_RETURN(const pg::Result kept, transaction.Exec(kRemembered, {change.request_id}));
  if (kept.rows() == 0) return absl::AbortedError("the request is being done; try again");
  if (kept.Text(0, 0) != change.run_id || kept.Text(0, 1) != change.request_hash) {
    return RequestReused();
  }
  return true;
}

}  // namespace

absl::StatusOr<WaveRun> PgWaveStore::FindRequest(const std::string& request_id,
                                                 const std::string& request_hash) {
  ASSIGN_OR_RETURN(const pg::Result rows, pool_.Exec(kByRequest, {request_id}));
  if (rows.rows() == 0) return absl::NotFoundError("no wave run of this request");
  if (rows.Text(0, 1) != request_hash) return RequestReused();
  return Get(std::string(rows.Text(0, 0)));
}

absl::StatusOr<WaveRun> PgWaveStore::Create(const NewWaveRun& made) {
  const WaveRun& run = made.run;
  bool inserted = false;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(
        const pg::Result row,
        transaction.Exec(kInsert,
                         {run.id, made.request_id, made.request_hash, EnumParam(run.kind), run.wave,
                          Clean(run.wave_name, 1024), Clean(run.initiated_by, 256),
                          OptionsToJson(run.options), Clean(run.request, 1 << 20)}));
    inserted = row.affected() != 0;
    if (!inserted) return absl::OkStatus();
    RETURN_IF_ERROR(InsertGroups(transaction, run));
    RETURN_IF_ERROR(AppendWaveEvents(
        transaction, run.id,
        {{.type = WaveEventType::kRunCreated, .message = absl::StrCat("by ", run.initiated_by)}}));
    return transaction.Exec(kNotify).status();
  }));
  if (inserted) return Get(run.id);
  const absl::StatusOr<WaveRun> before = FindRequest(made.request_id, made.request_hash);
  if (!absl::IsNotFound(before.status())) return before;
  ASSIGN_OR_RETURN(const pg::Result active, pool_.Exec(kActiveOf, {run.wave}));
  if (active.rows() == 0) return absl::AbortedError("the wave's runs changed meanwhile; try again");
  return RunUnderWay(active.Text(0, 0));
}

absl::StatusOr<WaveRun> PgWaveStore::Get(const std::string& run_id) {
  WaveRun run;
  // Groups and members may be newer than the version read before them, never older.
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(run, Load(transaction.connection(), kGet, run_id));
    return absl::OkStatus();
  }));
  return run;
}

absl::StatusOr<WaveRunPage> PgWaveStore::List(const WaveRunFilter& filter) {
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      pool_.Exec(kList, {Number(filter.before), filter.active_only ? "true" : "false", filter.wave,
                         Number(filter.limit + 1), IdsOrNull(filter.within)}));
  WaveRunPage page;
  std::int64_t key = 0;
  for (int row = 0; row < std::min(rows.rows(), filter.limit); ++row) {
    ASSIGN_OR_RETURN(WaveRun run, WaveRunFromRow(rows, row, &key));
    page.runs.push_back(std::move(run));
  }
  if (rows.rows() > filter.limit) page.next_before = key;
  return page;
}

absl::StatusOr<std::vector<WaveEventRecord>> PgWaveStore::ListEvents(const std::string& run_id,
                                                                     std::int64_t after,
                                                                     int limit) {
  RETURN_IF_ERROR(Version(run_id));
  ASSIGN_OR_RETURN(const pg::Result rows,
                   pool_.Exec(kEvents, {run_id, Number(after), Number(limit)}));
  std::vector<WaveEventRecord> out;
  for (int row = 0; row < rows.rows(); ++row) {
    out.push_back({.sequence = rows.Int(row, 0),
                   .time = rows.Time(row, 1).value_or(absl::UnixEpoch()),
                   .event = {.type = static_cast<WaveEventType>(rows.Int(row, 2)),
                             .application = std::string(rows.Text(row, 3)),
                             .server = std::string(rows.Text(row, 4)),
                             .message = std::string(rows.Text(row, 5))}});
  }
  return out;
}

absl::StatusOr<std::int64_t> PgWaveStore::Version(const std::string& run_id) {
  ASSIGN_OR_RETURN(const pg::Result rows, pool_.Exec(kVersion, {run_id}));
  if (rows.rows() == 0) return NoSuchRun(run_id);
  return rows.Int(0, 0);
}

absl::StatusOr<WaveRun> PgWaveStore::Change(const WaveChange& change, const DecideWave& decide) {
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(const WaveRun before, Load(transaction.connection(), kLock, change.run_id));
    ASSIGN_OR_RETURN(const bool done, WasDone(transaction, change));
    if (done) return absl::OkStatus();
    if (change.version && *change.version != before.version) {
      return absl::AbortedError("etag: the run changed since it was read; read it again");
    }
    WaveRun after = before;
    std::vector<WaveEvent> events;
    RETURN_IF_ERROR(decide(after, events));
    RETURN_IF_ERROR(SaveWaveRun(transaction, before, after, events));
    RETURN_IF_ERROR(transaction.Exec(kWake, {change.run_id}));
    return transaction.Exec(kNotify).status();
  }));
  return Get(change.run_id);
}

absl::StatusOr<std::map<std::string, std::string>> PgWaveStore::JobsUnderWay(
    const std::vector<std::string>& servers) {
  ASSIGN_OR_RETURN(const pg::Result rows, pool_.Exec(kJobsUnderWay, {absl::StrJoin(servers, ",")}));
  std::map<std::string, std::string> out;
  for (int row = 0; row < rows.rows(); ++row) {
    out[std::string(rows.Text(row, 0))] = std::string(rows.Text(row, 1));
  }
  return out;
}

absl::StatusOr<std::string> PgWaveStore::WaveOf(const std::string& run_id) {
  ASSIGN_OR_RETURN(const pg::Result rows, pool_.Exec(kWaveOf, {run_id}));
  if (rows.rows() == 0) return NoSuchRun(run_id);
  return std::string(rows.Text(0, 0));
}

absl::StatusOr<std::string> PgWaveStore::JobOfRequest(const std::string& request_id) {
  ASSIGN_OR_RETURN(const pg::Result rows, pool_.Exec(kJobOfRequest, {request_id}));
  return rows.rows() == 0 ? std::string() : std::string(rows.Text(0, 0));
}

}  // namespace godwit::jobs
