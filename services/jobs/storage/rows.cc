#include "services/jobs/storage/rows.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/storage/codec.h"

namespace godwit::jobs {
namespace {

constexpr pg::Statement kSteps = {
    "jobs_steps",
    "SELECT run_id, name, state, (extract(epoch FROM start_time) * 1e6)::bigint, "
    "(extract(epoch FROM end_time) * 1e6)::bigint, attempts, total_bytes, done_bytes, message "
    "FROM jobs.step WHERE run_id = ANY ($1::bigint[]) ORDER BY run_id, index"};
constexpr pg::Statement kRunsOfJobs = {
    "jobs_runs_of_jobs", "SELECT " GODWIT_RUN_COLUMNS
                         " FROM jobs.run r WHERE r.job_id = ANY (string_to_array($1, ',')) "
                         "ORDER BY r.job_id, r.index"};
constexpr pg::Statement kJob = {"jobs_job",
                                "SELECT " GODWIT_JOB_COLUMNS
                                " FROM jobs.job j WHERE j.job_id = $1 AND NOT j.deleted"};
constexpr pg::Statement kAppend = {
    "jobs_log_append",
    "WITH numbered AS (UPDATE jobs.job SET log_count = log_count + 1, version = version + 1 "
    "WHERE job_id = $1 RETURNING log_count) "
    "INSERT INTO jobs.log (job_id, sequence, event, server, message, data) "
    "SELECT $1, log_count, $2::smallint, $3, $4, $5::jsonb FROM numbered"};
constexpr pg::Statement kTouch = {"jobs_touch",
                                  "UPDATE jobs.job SET version = version + 1 WHERE job_id = $1"};
constexpr pg::Statement kLockJob = {
    "jobs_lock_job", "SELECT state, cancel_requested FROM jobs.job WHERE job_id = $1 FOR UPDATE"};
constexpr pg::Statement kRunStates = {"jobs_run_states",
                                      "SELECT state FROM jobs.run WHERE job_id = $1"};
constexpr pg::Statement kSetState = {
    "jobs_set_state",
    "UPDATE jobs.job SET state = $2::smallint, version = version + 1, "
    "end_time = CASE WHEN $2::smallint >= 4 THEN clock_timestamp() END WHERE job_id = $1"};

const char* Word(JobState state) {
  switch (state) {
    case JobState::kSucceeded:
      return "succeeded";
    case JobState::kCancelled:
      return "was cancelled";
    default:
      return "failed";
  }
}

}  // namespace

absl::StatusOr<Run> RunFromRow(const pg::Result& rows, int row) {
  Run run;
  int column = 0;
  const auto number = [&] { return rows.Int(row, column++); };
  run.id = number();
  run.job_id = std::string(rows.Text(row, column++));
  run.type = static_cast<JobType>(number());
  run.index = static_cast<int>(number());
  ASSIGN_OR_RETURN(run.input, InputFromJson(rows.Text(row, column++)));
  run.state = static_cast<RunState>(number());
  run.step = static_cast<int>(number());
  run.plan_version = static_cast<int>(number());
  ASSIGN_OR_RETURN(run.outputs, MapFromJson(rows.Text(row, column++)));
  const auto code = static_cast<absl::StatusCode>(number());
  run.error = absl::Status(code, rows.Text(row, column++));
  run.launch_status = static_cast<LaunchStatus>(number());
  run.cancel_requested = rows.Bool(row, column++);
  run.committed = rows.Bool(row, column++);
  run.needs_operator = rows.Bool(row, column++);
  run.machine_id = std::string(rows.Text(row, column++));
  run.epoch = number();
  run.crashes = static_cast<int>(number());
  run.tries = static_cast<int>(number());
  run.owner = std::string(rows.Text(row, column++));
  return run;
}

absl::StatusOr<Job> JobFromRow(const pg::Result& rows, int row, std::int64_t* key) {
  Job job;
  job.id = std::string(rows.Text(row, 0));
  *key = rows.Int(row, 1);
  job.type = static_cast<JobType>(rows.Int(row, 2));
  job.state = static_cast<JobState>(rows.Int(row, 3));
  job.initiated_by = std::string(rows.Text(row, 4));
  job.create_time = rows.Time(row, 5).value_or(absl::UnixEpoch());
  job.start_time = rows.Time(row, 6);
  job.end_time = rows.Time(row, 7);
  ASSIGN_OR_RETURN(job.warnings, ListFromJson(rows.Text(row, 8)));
  job.version = rows.Int(row, 9);
  return job;
}

absl::Status LoadSteps(pg::Connection& connection, std::vector<Run>* runs) {
  std::map<std::int64_t, Run*> by_id;
  std::vector<std::int64_t> ids;
  for (Run& run : *runs) {
    by_id[run.id] = &run;
    ids.push_back(run.id);
  }
  ASSIGN_OR_RETURN(const pg::Result rows, connection.Exec(kSteps, {ArrayParam(ids)}));
  for (int row = 0; row < rows.rows(); ++row) {
    by_id[rows.Int(row, 0)]->steps.push_back({.name = std::string(rows.Text(row, 1)),
                                              .state = static_cast<StepState>(rows.Int(row, 2)),
                                              .start_time = rows.Time(row, 3),
                                              .end_time = rows.Time(row, 4),
                                              .attempts = static_cast<int>(rows.Int(row, 5)),
                                              .total_bytes = rows.Int(row, 6),
                                              .done_bytes = rows.Int(row, 7),
                                              .message = std::string(rows.Text(row, 8))});
  }
  return absl::OkStatus();
}

absl::Status LoadRuns(pg::Connection& connection, std::vector<Job>* jobs) {
  std::map<std::string, Job*> by_id;
  for (Job& job : *jobs) by_id[job.id] = &job;
  const auto id_of = [](std::string* out, const Job& job) { out->append(job.id); };
  ASSIGN_OR_RETURN(const pg::Result rows,
                   connection.Exec(kRunsOfJobs, {absl::StrJoin(*jobs, ",", id_of)}));
  std::vector<Run> runs;
  for (int row = 0; row < rows.rows(); ++row) {
    ASSIGN_OR_RETURN(Run run, RunFromRow(rows, row));
    runs.push_back(std::move(run));
  }
  RETURN_IF_ERROR(LoadSteps(connection, &runs));
  for (Run& run : runs) by_id[run.job_id]->runs.push_back(std::move(run));
  return absl::OkStatus();
}

absl::StatusOr<Job> LoadJob(pg::Connection& connection, const std::string& job_id) {
  ASSIGN_OR_RETURN(const pg::Result rows, connection.Exec(kJob, {job_id}));
  if (rows.rows() == 0) return absl::NotFoundError(absl::StrCat("no job ", job_id));
  std::int64_t key = 0;
  std::vector<Job> jobs(1);
  ASSIGN_OR_RETURN(jobs[0], JobFromRow(rows, 0, &key));
  RETURN_IF_ERROR(LoadRuns(connection, &jobs));
  return std::move(jobs[0]);
}

absl::Status AppendLog(pg::Transaction& transaction, const std::string& job_id,
                       const std::string& server, const std::vector<LogLine>& log) {
  for (const LogLine& line : log) {
    RETURN_IF_ERROR(transaction
                        .Exec(kAppend, {job_id, EnumParam(line.event), server,
                                        Clean(line.message, 4096), MapToJson(line.data)})
                        .status());
  }
  return absl::OkStatus();
}

absl::Status Touch(pg::Transaction& transaction, const std::string& job_id) {
  return transaction.Exec(kTouch, {job_id}).status();
}

absl::Status Settle(pg::Transaction& transaction, const std::string& job_id) {
  ASSIGN_OR_RETURN(const pg::Result job, transaction.Exec(kLockJob, {job_id}));
  if (job.rows() == 0) return absl::NotFoundError(absl::StrCat("no job ", job_id));
  const auto before = static_cast<JobState>(job.Int(0, 0));
  ASSIGN_OR_RETURN(const pg::Result rows, transaction.Exec(kRunStates, {job_id}));
  std::vector<RunState> states;
  for (int row = 0; row < rows.rows(); ++row) {
    states.push_back(static_cast<RunState>(rows.Int(row, 0)));
  }
  const JobState state = Aggregate(states, job.Bool(0, 1));
  if (state == before) return Touch(transaction, job_id);
  RETURN_IF_ERROR(transaction.Exec(kSetState, {job_id, EnumParam(state)}).status());
  if (!Ended(state) || Ended(before)) return absl::OkStatus();
  return AppendLog(
      transaction, job_id, "",
      {{.event = Event::kJobEnd, .message = absl::StrCat("the job ", Word(state)), .data = {}}});
}

}  // namespace godwit::jobs
