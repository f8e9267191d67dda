// Jobs as users and other services see them.
#include "services/jobs/storage/pg_job_store.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/domain/errors.h"
#include "services/jobs/storage/codec.h"
#include "services/jobs/storage/quota_rows.h"
#include "services/jobs/storage/rows.h"

namespace godwit::jobs {
namespace {

constexpr pg::Statement kByRequest = {
    "jobs_by_request", "SELECT job_id, request_hash FROM jobs.job WHERE request_id = $1::uuid"};
constexpr pg::Statement kInsertJob = {
    "jobs_insert_job",
    "INSERT INTO jobs.job (job_id, request_id, request_hash, type, initiated_by, warnings) "
    "VALUES ($1, $2::uuid, $3, $4::smallint, $5, $6::jsonb) "
    "ON CONFLICT DO NOTHING"};
constexpr pg::Statement kInsertRun = {
    "jobs_insert_run",
    "INSERT INTO jobs.run (job_id, index, type, server, input, plan_version) "
    "VALUES ($1, $2::int, $3::smallint, $4, $5::jsonb, $6::int) "
    "ON CONFLICT (server) WHERE state < 5 AND type IN (1, 2, 3) DO NOTHING RETURNING id"};
constexpr pg::Statement kInsertSteps = {
    "jobs_insert_steps",
    "INSERT INTO jobs.step (run_id, index, name) SELECT $1::bigint, place - 1, name "
    "FROM unnest(string_to_array($2, ',')) WITH ORDINALITY AS plan (name, place)"};
constexpr pg::Statement kInTheWay = {
    "jobs_in_the_way",
    "SELECT job_id FROM jobs.run WHERE server = $1 AND state < 5 AND type IN (1, 2, 3)"};
constexpr pg::Statement kNotify = {"jobs_notify", "SELECT pg_notify('godwit_jobs', '')"};
constexpr pg::Statement kList = {
    "jobs_list", "SELECT " GODWIT_JOB_COLUMNS
                 ", (SELECT count(*) FROM jobs.run r WHERE r.job_id = j.job_id)"
                 " FROM jobs.job j WHERE NOT j.deleted AND ($1::bigint = 0 OR j.key < $1::bigint) "
                 "AND (NOT $2::bool OR j.state < 4) AND ($3 = '' OR EXISTS (SELECT FROM jobs.run r "
                 "WHERE r.job_id = j.job_id AND r.server = $3)) "
                 "AND ($5::text[] IS NULL OR (EXISTS (SELECT FROM jobs.run r "
                 "WHERE r.job_id = j.job_id) AND NOT EXISTS (SELECT FROM jobs.run r "
                 "WHERE r.job_id = j.job_id AND r.server NOT IN (SELECT unnest($5::text[]))))) "
                 "ORDER BY j.key DESC LIMIT $4::int"};
constexpr pg::Statement kLog = {
    "jobs_log",
    "SELECT sequence, (extract(epoch FROM time) * 1e6)::bigint, event, server, message, data "
    "FROM jobs.log WHERE job_id = $1 AND sequence > $2::bigint ORDER BY sequence LIMIT $3::int"};
constexpr pg::Statement kVersion = {
    "jobs_version", "SELECT version FROM jobs.job WHERE job_id = $1 AND NOT deleted"};
constexpr pg::Statement kServersOf = {"jobs_servers_of",
                                      "SELECT DISTINCT r.server FROM jobs.run r "
                                      "JOIN jobs.job j USING (job_id) "
                                      "WHERE r.job_id = $1 AND NOT j.deleted ORDER BY r.server"};
constexpr pg::Statement kByMachine = {
    "jobs_by_machine", "SELECT " GODWIT_RUN_COLUMNS " FROM jobs.run r WHERE r.machine_id = $1"};
constexpr pg::Statement kMachinesOf = {
    "jobs_machines_of",
    "SELECT " GODWIT_RUN_COLUMNS
    " FROM jobs.run r WHERE r.server = $1 AND r.machine_id <> '' ORDER BY r.id"};

// A page must fit into a message, with all steps of its servers.
constexpr std::int64_t kMostServersOfPage = 1000;

// Inserts the job with its runs and steps. ALREADY_EXISTS names the job in the way.
absl::Status Insert(pg::Transaction& transaction, const NewJob& job) {
  for (std::size_t i = 0; i < job.servers.size(); ++i) {
    const RunInput& input = job.servers[i];
    ASSIGN_OR_RETURN(
        const pg::Result run,
        transaction.Exec(kInsertRun, {job.job_id, Number(static_cast<int>(i)), EnumParam(job.type),
                                      input.server, InputToJson(input), Number(job.plan_version)}));
    if (run.rows() == 0) {
      ASSIGN_OR_RETURN(const pg::Result other, transaction.Exec(kInTheWay, {input.server}));
      // It may have ended since: the caller tries again.
      if (other.rows() == 0) return absl::AbortedError("another job of the server just ended");
      const std::string name(other.Text(0, 0));
      return WithJob(absl::AlreadyExistsError(absl::StrCat("sourceServers/", input.server,
                                                           " has a job under way: jobs/", name)),
                     name);
    }
    RETURN_IF_ERROR(
        transaction.Exec(kInsertSteps, {std::string(run.Text(0, 0)), absl::StrJoin(job.steps, ",")})
            .status());
  }
  return absl::OkStatus();
}

constexpr pg::Statement kScreenshot{
    "jobs_screenshot",
    "SELECT s.png, (extract(epoch FROM s.time) * 1000000)::bigint FROM jobs.screenshot s "
    "JOIN jobs.run r ON r.id = s.run_id WHERE r.job_id = $1 AND r.server = $2"};

}  // namespace

PgJobStore::PgJobStore(const std::string& conninfo, int max_connections)
    : pool_({.conninfo = conninfo, .max_connections = max_connections}),
      renewals_({.conninfo = conninfo,
                 .max_connections = 1,
                 .acquire_timeout = absl::Seconds(2),
                 // A row that somebody holds must not make all others wait.
                 .limits = {.statement = absl::Seconds(4), .lock = absl::Seconds(1)}}) {}

absl::StatusOr<Job> PgJobStore::Create(const NewJob& job, const JobQuotas& quotas) {
  std::string job_id = job.job_id;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    const auto known = [&]() -> absl::StatusOr<bool> {
      ASSIGN_OR_RETURN(const pg::Result before, transaction.Exec(kByRequest, {job.request_id}));
      if (before.rows() == 0) return false;
      if (before.Text(0, 1) != job.request_hash) {
        return absl::InvalidArgumentError(
            "request_id: was used before with another request; choose a new one");
      }
      job_id = std::string(before.Text(0, 0));
      return true;
    };
    RETURN_IF_ERROR(LockUse(transaction.connection()));
    ASSIGN_OR_RETURN(bool replayed, known());
    if (replayed) return absl::OkStatus();
    ASSIGN_OR_RETURN(const JobUse used, CountUse(transaction.connection()));
    RETURN_IF_ERROR(
        CheckJobQuotas(quotas, used, job.type, static_cast<std::int64_t>(job.servers.size())));
    ASSIGN_OR_RETURN(
        const pg::Result inserted,
        transaction.Exec(kInsertJob,
                         {job.job_id, job.request_id, job.request_hash, EnumParam(job.type),
                          Clean(job.initiated_by, 256), ListToJson(job.warnings)}));
    if (inserted.affected() == 0) {
      ASSIGN_OR_RETURN(replayed, known());
      return replayed ? absl::OkStatus()
                      : absl::AlreadyExistsError("job_id: belongs to another request");
    }
    RETURN_IF_ERROR(Insert(transaction, job));
    return transaction.Exec(kNotify).status();
  }));
  return Get(job_id);
}

absl::StatusOr<JobUse> PgJobStore::CountQuotaUse() {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  return CountUse(*connection);
}

absl::StatusOr<Job> PgJobStore::Get(const std::string& job_id) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  return LoadJob(*connection, job_id);
}

absl::StatusOr<JobPage> PgJobStore::List(const JobFilter& filter) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  ASSIGN_OR_RETURN(
      const pg::Result rows,
      connection->Exec(kList, {Number(filter.before), filter.active_only ? "true" : "false",
                               filter.server, Number(filter.limit + 1), IdsOrNull(filter.within)}));
  JobPage page;
  std::int64_t key = 0;
  std::int64_t servers = 0;
  for (int row = 0; row < std::min(rows.rows(), filter.limit); ++row) {
    servers += rows.Int(row, 10);
    if (row > 0 && servers > kMostServersOfPage) break;
    ASSIGN_OR_RETURN(Job job, JobFromRow(rows, row, &key));
    page.jobs.push_back(std::move(job));
  }
  if (rows.rows() > static_cast<int>(page.jobs.size())) page.next_before = key;
  RETURN_IF_ERROR(LoadRuns(*connection, &page.jobs));
  return page;
}

absl::StatusOr<std::vector<std::string>> PgJobStore::ServersOf(const std::string& job_id) {
  ASSIGN_OR_RETURN(const pg::Result rows, pool_.Exec(kServersOf, {job_id}));
  std::vector<std::string> servers;
  for (int row = 0; row < rows.rows(); ++row) servers.emplace_back(rows.Text(row, 0));
  return servers;
}

absl::StatusOr<std::vector<LogItem>> PgJobStore::ListLog(const std::string& job_id,
                                                         std::int64_t after, int limit) {
  RETURN_IF_ERROR(Version(job_id).status());
  ASSIGN_OR_RETURN(const pg::Result rows, pool_.Exec(kLog, {job_id, Number(after), Number(limit)}));
  std::vector<LogItem> out;
  for (int row = 0; row < rows.rows(); ++row) {
    ASSIGN_OR_RETURN(auto data, MapFromJson(rows.Text(row, 5)));
    out.push_back({.sequence = rows.Int(row, 0),
                   .time = rows.Time(row, 1).value_or(absl::UnixEpoch()),
                   .event = static_cast<Event>(rows.Int(row, 2)),
                   .server = std::string(rows.Text(row, 3)),
                   .message = std::string(rows.Text(row, 4)),
                   .data = std::move(data)});
  }
  return out;
}

absl::StatusOr<ScreenshotRecord> PgJobStore::GetScreenshot(const std::string& job_id,
                                                           const std::string& server) {
  ASSIGN_OR_RETURN(const pg::Result rows, pool_.Exec(kScreenshot, {job_id, server}));
  if (rows.rows() == 0)
    return absl::NotFoundError(absl::StrCat("no screen is kept for this server of job ", job_id));
  return ScreenshotRecord{.png = rows.Bytes(0, 0),
                          .time = rows.Time(0, 1).value_or(absl::UnixEpoch())};
}

absl::StatusOr<std::int64_t> PgJobStore::Version(const std::string& job_id) {
  ASSIGN_OR_RETURN(const pg::Result rows, pool_.Exec(kVersion, {job_id}));
  if (rows.rows() == 0) return absl::NotFoundError(absl::StrCat("no job ", job_id));
  return rows.Int(0, 0);
}

absl::StatusOr<std::vector<Run>> PgJobStore::RunsWith(const pg::Statement& statement,
                                                      const std::vector<pg::Param>& params) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool_.Acquire());
  ASSIGN_OR_RETURN(const pg::Result rows, connection->Exec(statement, params));
  std::vector<Run> runs;
  for (int row = 0; row < rows.rows(); ++row) {
    ASSIGN_OR_RETURN(Run run, RunFromRow(rows, row));
    runs.push_back(std::move(run));
  }
  RETURN_IF_ERROR(LoadSteps(*connection, &runs));
  return runs;
}

absl::StatusOr<Run> PgJobStore::FindMachine(const std::string& machine_id) {
  ASSIGN_OR_RETURN(std::vector<Run> runs, RunsWith(kByMachine, {machine_id}));
  if (runs.empty()) return absl::NotFoundError(absl::StrCat("no machine ", machine_id));
  return std::move(runs.front());
}

absl::StatusOr<std::vector<Run>> PgJobStore::MachinesOf(const std::string& server) {
  return RunsWith(kMachinesOf, {server});
}

}  // namespace godwit::jobs
