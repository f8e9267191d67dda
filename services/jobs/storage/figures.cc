#include "services/jobs/storage/figures.h"

#include "services/common/base/status_macros.h"

namespace godwit::jobs {
namespace {

constexpr pg::Statement kJobs = {
    "jobs_count",
    "SELECT type, state, count(*) FROM jobs.job WHERE NOT deleted GROUP BY type, state "
    "ORDER BY type, state"};
constexpr pg::Statement kRuns = {
    "jobs_count_runs",
    "SELECT count(*) FILTER (WHERE state < 5 AND due_at <= now()),"
    " coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE state < 5 AND due_at <= "
    "now())), 0),"
    " count(*) FILTER (WHERE machine_id <> ''), count(*) FILTER (WHERE needs_operator) "
    "FROM jobs.run WHERE state < 5 OR machine_id <> '' OR needs_operator"};

}  // namespace

absl::StatusOr<JobFigures> CountJobs(pg::Pool& pool) {
  JobFigures figures;
  ASSIGN_OR_RETURN(const pg::Result jobs, pool.Exec(kJobs));
  for (int row = 0; row < jobs.rows(); ++row) {
    figures.jobs.push_back({.type = static_cast<JobType>(jobs.Int(row, 0)),
                            .state = static_cast<JobState>(jobs.Int(row, 1)),
                            .count = jobs.Int(row, 2)});
  }
  ASSIGN_OR_RETURN(const pg::Result runs, pool.Exec(kRuns));
  figures.due = runs.Int(0, 0);
  figures.oldest_due = absl::Seconds(runs.Double(0, 1));
  figures.machines = runs.Int(0, 2);
  figures.stuck = runs.Int(0, 3);
  return figures;
}

}  // namespace godwit::jobs
