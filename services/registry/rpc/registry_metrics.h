// What the registry tells Prometheus.
#pragma once

#include "services/common/metrics/metrics.h"
#include "services/common/pg/pool.h"

namespace godwit::registry {

// Nothing while the database is away.
void CollectRegistry(pg::Pool& pool, Samples& to);

}  // namespace godwit::registry
