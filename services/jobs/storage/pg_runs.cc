// The runner's side of PgJobStore: claims and renewals.
#include "absl/strings/str_cat.h"
#include "services/common/base/failpoint.h"
#include "services/common/base/status_macros.h"
#include "services/jobs/storage/pg_job_store.h"
#include "services/jobs/storage/rows.h"

namespace godwit::jobs {
namespace {

// Claim and rescue in one: what is due is due, whoever had it before. Jobs that have their share
// ($6, 0: no bound) of leased runs are passed over: there are never more of these than runners.
constexpr pg::Statement kClaim = {
    "jobs_claim",
    "WITH due AS (SELECT id, coalesce(owner, '') AS before FROM jobs.run "
    "WHERE state < 5 AND due_at <= now() AND type = ANY ($1::smallint[]) "
    "AND plan_version <= $2::int AND ($6::int = 0 OR job_id <> ALL (ARRAY("
    "SELECT l.job_id FROM jobs.run l WHERE l.owner IS NOT NULL AND l.state < 5 "
    "AND l.due_at > now() GROUP BY l.job_id HAVING count(*) >= $6::int))) "
    "ORDER BY due_at, id LIMIT $3::int FOR UPDATE SKIP LOCKED) "
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
// After the job was locked: who counts here claimed before.
constexpr pg::Statement kLeasedOf = {
    "jobs_leased_of",
    "SELECT count(*) FROM jobs.run WHERE job_id = $1 AND owner IS NOT NULL AND state < 5 "
    "AND due_at > now()"};
constexpr pg::Statement kRenew = {
    "jobs_renew",
    "UPDATE jobs.run SET due_at = clock_timestamp() + $3::bigint * interval '1 millisecond' "
    "WHERE id = $1::bigint AND epoch = $2::bigint AND owner IS NOT NULL AND state < 5 "
    "RETURNING cancel_requested"};

// Two claims each saw room for one more run of the job: the later one looks again and passes it
// over. So often in one call, then at the next.
constexpr int kMostCollisions = 8;
absl::Status NoRoom() { return absl::CancelledError("the job has its share of runners"); }

// What a claim of a run means for its job, and whether the job may have it.
absl::Status EnterJob(pg::Transaction& transaction, const std::string& job_id, int most_of_job) {
  ASSIGN_OR_RETURN(const pg::Result started, transaction.Exec(kFirstStart, {job_id}));
  if (started.affected() != 0) {
    RETURN_IF_ERROR(
        AppendLog(transaction, job_id, "",
                  {{.event = Event::kJobStart, .message = "the job starts", .data = {}}}));
  }
  RETURN_IF_ERROR(Settle(transaction, job_id));  // locks the job
  if (most_of_job == 0) return absl::OkStatus();
  ASSIGN_OR_RETURN(const pg::Result leased, transaction.Exec(kLeasedOf, {job_id}));
  return leased.Int(0, 0) > most_of_job ? NoRoom() : absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Run>> PgJobStore::Claim(const ClaimOrder& order) {
  std::vector<Run> runs;
  if (order.most_of_job == 0) {
    RETURN_IF_ERROR(ClaimSome(order, order.limit, 0, &runs));
  } else {
    // One at a time, so that each sees the one before. First whoever has nothing yet.
    int share = 1;
    int collisions = 0;
    while (static_cast<int>(runs.size()) < order.limit) {
      const std::size_t before = runs.size();
      const absl::Status claimed = ClaimSome(order, 1, share, &runs);
      if (absl::IsCancelled(claimed) && ++collisions < kMostCollisions) continue;
      if (!absl::IsCancelled(claimed)) RETURN_IF_ERROR(claimed);
      if (runs.size() > before) continue;
      if (share == order.most_of_job) break;
      share = order.most_of_job;
    }
  }
  if (!runs.empty()) GODWIT_FAILPOINT("jobs.claimed");
  return runs;
}

absl::Status PgJobStore::ClaimSome(const ClaimOrder& order, int limit, int most_of_job,
                                   std::vector<Run>* runs) {
  std::vector<Run> some;
  RETURN_IF_ERROR(pool_.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
    some.clear();
    ASSIGN_OR_RETURN(
        const pg::Result due,
        transaction.Exec(kClaim,
                         {ArrayParam(order.types), Number(kPlanVersion), Number(limit), order.owner,
                          Number(absl::ToInt64Milliseconds(order.ttl)), Number(most_of_job)}));
    if (due.rows() == 0) return absl::OkStatus();
    std::vector<std::int64_t> ids;
    std::map<std::int64_t, std::string> owners;
    for (int row = 0; row < due.rows(); ++row) {
      ids.push_back(due.Int(row, 0));
      owners[ids.back()] = std::string(due.Text(row, 1));
      RETURN_IF_ERROR(EnterJob(transaction, std::string(due.Text(row, 2)), most_of_job));
    }
    ASSIGN_OR_RETURN(const pg::Result rows, transaction.Exec(kClaimed, {ArrayParam(ids)}));
    for (int row = 0; row < rows.rows(); ++row) {
      ASSIGN_OR_RETURN(Run run, RunFromRow(rows, row));
      run.owner = owners[run.id];
      some.push_back(std::move(run));
    }
    return LoadSteps(transaction.connection(), &some);
  }));
  for (Run& run : some) runs->push_back(std::move(run));
  return absl::OkStatus();
}

absl::StatusOr<Renewal> PgJobStore::Renew(const Lease& lease, absl::Duration ttl) {
  ASSIGN_OR_RETURN(const pg::Result rows,
                   renewals_.Exec(kRenew, {Number(lease.run_id), Number(lease.epoch),
                                           Number(absl::ToInt64Milliseconds(ttl))}));
  if (rows.rows() == 0) return Renewal{};
  return Renewal{.held = true, .cancel_requested = rows.Bool(0, 0)};
}

}  // namespace godwit::jobs
