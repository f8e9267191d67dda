// The runner's side of PgJobStore: claims and renewals.
#include "absl/strings/str_cat.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/storage/pg_job_store.h"
#include "services/jobs/storage/rows.h"

namespace godwit::jobs {
namespace {

// Claim and rescue in one: what is due is due, whoever had it before.
constexpr pg::Statement kClaim = {
    "jobs_claim",
    "WITH due AS (SELECT id, coalesce(owner, '') AS before FROM jobs.run "
    "WHERE state < 5 AND due_at <= now() AND type = ANY ($1::smallint[]) "
    "AND plan_version <= $2::int ORDER BY due_at, id LIMIT $3::int FOR UPDATE SKIP LOCKED) "
    "UPDATE jobs.run r SET epoch = r.epoch + 1, owner = $4, crashes = r.crashes + 1, "
    "state = CASE WHEN r.state = 1 THEN 2 ELSE r.state END, "
    "due_at = clock_timestamp() + $5::bigint * interval '1 millisecond' "
    "FROM due WHERE r.id = due.id RETURNING r.id, due.before, r.job_id"};
constexpr pg::Statement kClaimed = {
    "jobs_claimed",
    "SELECT " GODWIT_RUN_COLUMNS " FROM jobs.run r WHERE r.id = ANY ($1::bigint[]) ORDER BY r.id"};
constexpr pg::Statement kFirstStart = {"jobs_first_start",
                                       "UPDATE jobs.job SET start_time = clock_timestamp() "
                                       "WHERE job_id = $1 AND start_time IS NULL"};
constexpr pg::Statement kRenew = {
    "jobs_renew",
    "UPDATE jobs.run SET due_at = clock_timestamp() + $3::bigint * interval '1 millisecond' "
    "WHERE id = $1::bigint AND epoch = $2::bigint AND owner IS NOT NULL AND state < 5 "
    "RETURNING cancel_requested"};

}  // namespace

absl::StatusOr<std::vector<Run>> PgJobStore::Claim(const std::vector<JobType>& types,
                                                   const std::string& owner, absl::Duration ttl,
                                                   int limit) {
  std::vector<Run> runs;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    runs.clear();
    ASSIGN_OR_RETURN(
        const pg::Result claimed,
        transaction.Exec(kClaim, {ArrayParam(types), Number(kPlanVersion), Number(limit), owner,
                                  Number(absl::ToInt64Milliseconds(ttl))}));
    if (claimed.rows() == 0) return absl::OkStatus();
    std::vector<std::int64_t> ids;
    std::map<std::int64_t, std::string> owners;
    for (int row = 0; row < claimed.rows(); ++row) {
      ids.push_back(claimed.Int(row, 0));
      owners[ids.back()] = std::string(claimed.Text(row, 1));
      const std::string job_id(claimed.Text(row, 2));
      ASSIGN_OR_RETURN(const pg::Result started, transaction.Exec(kFirstStart, {job_id}));
      if (started.affected() != 0) {
        RETURN_IF_ERROR(
            AppendLog(transaction, job_id, "",
                      {{.event = Event::kJobStart, .message = "the job starts", .data = {}}}));
      }
      RETURN_IF_ERROR(Settle(transaction, job_id));
    }
    ASSIGN_OR_RETURN(const pg::Result rows, transaction.Exec(kClaimed, {ArrayParam(ids)}));
    for (int row = 0; row < rows.rows(); ++row) {
      ASSIGN_OR_RETURN(Run run, RunFromRow(rows, row));
      run.owner = owners[run.id];
      runs.push_back(std::move(run));
    }
    return LoadSteps(transaction.connection(), &runs);
  }));
  if (!runs.empty()) GODWIT_FAILPOINT("jobs.claimed");
  return runs;
}

absl::StatusOr<Renewal> PgJobStore::Renew(const Lease& lease, absl::Duration ttl) {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   renewals_.Exec(kRenew, {Number(lease.run_id), Number(lease.epoch),
                                           Number(absl::ToInt64Milliseconds(ttl))}));
  if (rows.rows() == 0) return Renewal{};
  return Renewal{.held = true, .cancel_requested = rows.Bool(0, 0)};
}

}  // namespace godwit::jobs
