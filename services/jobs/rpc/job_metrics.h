// What the job service tells Prometheus.
#pragma once

#include "services/common/metrics/metrics.h"
#include "services/common/pg/pool.h"
#include "services/jobs/domain/quotas.h"

namespace godwit::jobs {

// Jobs, wave runs, quotas and their use. Nothing while the database is away.
void CollectJobs(pg::Pool& pool, const JobQuotas& quotas, Samples& to);

}  // namespace godwit::jobs
