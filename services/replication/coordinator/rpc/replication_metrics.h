// The replication of every server for Prometheus, as the database has it. Each copy of the
// coordinator gives all servers.
#pragma once

#include "services/common/metrics/metrics.h"
#include "services/common/pg/pool.h"

namespace godwit::coordinator {

// Leaves everything out while the database is away.
void CollectReplications(pg::Pool& pool, Samples& to);

}  // namespace godwit::coordinator
