// What the conversion service tells Prometheus.
#pragma once

#include "services/common/metrics/metrics.h"
#include "services/common/pg/pool.h"

namespace godwit::conversion {

// Nothing while the database is away.
void CollectTasks(pg::Pool& pool, Samples& to);

}  // namespace godwit::conversion
