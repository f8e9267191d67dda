#include "services/jobs/storage/quota_rows.h"

#include "services/common/base/status_macros.h"

namespace godwit::jobs {
namespace {

constexpr pg::Statement kLock = {"jobs_quota_lock",
                                 "SELECT pg_advisory_xact_lock(hashtextextended('jobs.quota', 0))"};
// Of run_one_active_per_server and job_active: what has ended is not read.
constexpr pg::Statement kUse = {
    "jobs_quota_use",
    "SELECT (SELECT count(DISTINCT job_id) FROM jobs.run WHERE state < 5 AND type IN (1, 2, 3)), "
    "(SELECT count(*) FROM jobs.run WHERE state < 5 AND type IN (1, 2, 3)), "
    "(SELECT count(*) FROM jobs.job WHERE state < 4 AND type NOT IN (1, 2, 3))"};

}  // namespace

absl::StatusOr<JobUse> CountUse(pg::Connection& connection) {
  ASSIGN_OR_RETURN(const pg::Result rows, connection.Exec(kUse));
  return JobUse{.jobs = rows.Int(0, 0), .servers = rows.Int(0, 1), .other_jobs = rows.Int(0, 2)};
}

absl::Status LockUse(pg::Connection& connection) { return connection.Exec(kLock).status(); }

}  // namespace godwit::jobs
