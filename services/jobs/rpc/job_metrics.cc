#include "services/jobs/rpc/job_metrics.h"

#include <cstdint>
#include <map>
#include <utility>

#include "godwit/jobs/v1/job.pb.h"
#include "godwit/jobs/v1/wave_run.pb.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/metrics/quota_metrics.h"
#include "services/jobs/storage/figures.h"
#include "services/jobs/storage/quota_rows.h"
#include "services/jobs/storage/wave_figures.h"

namespace godwit::jobs {
namespace {

void CollectWaveRuns(const WaveFigures& figures, Samples& to) {
  std::map<std::pair<int, int>, std::int64_t> counts;
  for (const WaveRunCount& entry : figures.runs) {
    counts[{static_cast<int>(entry.kind), static_cast<int>(entry.state)}] = entry.count;
  }
  // Also what there is none of: a figure that comes and goes cannot be watched.
  for (int kind = v1::WaveRun::TEST; kind <= v1::WaveRun::Kind_MAX; ++kind) {
    for (int state = v1::WaveRun::PENDING; state <= v1::WaveRun::State_MAX; ++state) {
      to.Gauge("godwit_wave_runs", "Wave runs that are stored.",
               {{"kind", v1::WaveRun::Kind_Name(kind)}, {"state", v1::WaveRun::State_Name(state)}},
               static_cast<double>(counts[{kind, state}]));
    }
  }
  const auto waits = [&to](const char* what, absl::Duration oldest) {
    to.Gauge(
        "godwit_wave_waiting_oldest_seconds",
        "How long the first wave run has waited for a gate's checks, an approval, or, stopped, "
        "for somebody to resume or cancel it.",
        {{"for", what}}, absl::ToDoubleSeconds(oldest));
  };
  waits("checks", figures.oldest_gate);
  waits("approval", figures.oldest_approval);
  waits("operator", figures.oldest_stopped);
}

absl::Status CollectMore(pg::Pool& pool, const JobQuotas& quotas, Samples& to) {
  ASSIGN_OR_RETURN(const WaveFigures waves, CountWaveRuns(pool));
  CollectWaveRuns(waves, to);
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool.Acquire());
  ASSIGN_OR_RETURN(const JobUse used, CountUse(*connection));
  CollectQuotas(QuotasOfJobs(quotas, used), to);
  return absl::OkStatus();
}

}  // namespace

void CollectJobs(pg::Pool& pool, const JobQuotas& quotas, Samples& to) {
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
  if (const absl::Status status = CollectMore(pool, quotas, to); !status.ok()) {
    Log(Severity::kWarning, "no figures", {{"error", status.ToString()}});
  }
}

}  // namespace godwit::jobs
