// What users do to jobs: cancel, delete.
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/storage/pg_job_store.h"
#include "services/jobs/storage/rows.h"

namespace godwit::jobs {
namespace {

// A run that waits for a retry is due at once; one that is leased learns of it by its heartbeat.
constexpr pg::Statement kCancelRuns = {
    "jobs_cancel_runs",
    "WITH mine AS (SELECT id FROM jobs.run WHERE job_id = $1 AND state <= 2 AND NOT committed "
    "ORDER BY id FOR UPDATE) "
    "UPDATE jobs.run SET cancel_requested = true, "
    "due_at = CASE WHEN owner IS NULL THEN clock_timestamp() ELSE due_at END "
    "FROM mine WHERE run.id = mine.id"};
constexpr pg::Statement kCancelJob = {
    "jobs_cancel_job", "UPDATE jobs.job SET cancel_requested = true WHERE job_id = $1"};
constexpr pg::Statement kStanding = {
    "jobs_standing",
    "SELECT state, cancel_requested FROM jobs.job WHERE job_id = $1 AND NOT deleted"};
constexpr pg::Statement kNotify = {"jobs_notify_cancel", "SELECT pg_notify('godwit_jobs', '')"};
constexpr pg::Statement kHide = {
    "jobs_hide",
    "UPDATE jobs.job SET deleted = true, version = version + 1 WHERE job_id = $1 AND state >= 4"};
constexpr pg::Statement kDelete = {
    "jobs_delete",
    "DELETE FROM jobs.job j WHERE j.deleted AND NOT EXISTS "
    "(SELECT FROM jobs.run r WHERE r.job_id = j.job_id AND r.machine_id <> '') "
    "AND j.create_time < now() - interval '24 hours'"};

}  // namespace

absl::StatusOr<Job> PgJobStore::Cancel(const std::string& job_id) {
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(const pg::Result marked, transaction.Exec(kCancelRuns, {job_id}));
    ASSIGN_OR_RETURN(const pg::Result job, transaction.Exec(kStanding, {job_id}));
    if (job.rows() == 0) return absl::NotFoundError(absl::StrCat("no job ", job_id));
    const auto state = static_cast<JobState>(job.Int(0, 0));
    const bool repeated = job.Bool(0, 1);
    if (repeated) return absl::OkStatus();
    if (Ended(state)) return absl::FailedPreconditionError("the job has ended");
    if (marked.affected() == 0) {
      return absl::FailedPreconditionError(
          "the job is past its commit point or being undone; terminate the machine instead");
    }
    RETURN_IF_ERROR(transaction.Exec(kCancelJob, {job_id}).status());
    RETURN_IF_ERROR(AppendLog(
        transaction, job_id, "",
        {{.event = Event::kJobCancel, .message = "cancelling was requested", .data = {}}}));
    RETURN_IF_ERROR(Settle(transaction, job_id));
    return transaction.Exec(kNotify).status();
  }));
  return Get(job_id);
}

absl::Status PgJobStore::Delete(const std::string& job_id) {
  // The row stays, hidden, as long as a machine needs it or its request could be repeated.
  return pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    ASSIGN_OR_RETURN(const pg::Result job, transaction.Exec(kStanding, {job_id}));
    if (job.rows() == 0) return absl::NotFoundError(absl::StrCat("no job ", job_id));
    ASSIGN_OR_RETURN(const pg::Result hidden, transaction.Exec(kHide, {job_id}));
    if (hidden.affected() == 0) {
      return absl::FailedPreconditionError("the job has not ended; cancel it first");
    }
    return transaction.Exec(kDelete).status();
  });
}

}  // namespace godwit::jobs
