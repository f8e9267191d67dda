#include "services/jobs/rpc/job_metrics.h"

#include "godwit/jobs/v1/job.pb.h"
#include "services/common/base/json_log.h"
#include "services/jobs/storage/figures.h"

namespace godwit::jobs {

void CollectJobs(pg::Pool& pool, Samples& to) {
  const absl::StatusOr<JobFigures> figures = CountJobs(pool);
  if (!figures.ok()) {
    Log(Severity::kWarning, "no figures", {{"error", figures.status().ToString()}});
    return;
  }
  for (const JobCount& entry : figures->jobs) {
    to.Gauge("godwit_jobs", "Jobs that are stored.",
             {{"type", v1::Job::Type_Name(static_cast<int>(entry.type))},
              {"state", v1::Job::State_Name(static_cast<int>(entry.state))}},
             static_cast<double>(entry.count));
  }
  to.Gauge("godwit_jobs_due", "Servers in jobs that wait for a runner.", {},
           static_cast<double>(figures->due));
  to.Gauge("godwit_jobs_due_oldest_seconds", "How long the first of them has waited.", {},
           absl::ToDoubleSeconds(figures->oldest_due));
  to.Gauge("godwit_launched_machines", "Launched machines that still exist.", {},
           static_cast<double>(figures->machines));
  to.Gauge("godwit_jobs_need_operator", "Servers in jobs whose removal failed for good.", {},
           static_cast<double>(figures->stuck));
}

}  // namespace godwit::jobs
