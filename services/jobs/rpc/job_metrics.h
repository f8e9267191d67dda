// What the job service tells Prometheus.
#pragma once

#include "services/common/metrics/metrics.h"
#include "services/common/pg/pool.h"

namespace godwit::jobs {

// Nothing while the database is away.
void CollectJobs(pg::Pool& pool, Samples& to);

}  // namespace godwit::jobs
