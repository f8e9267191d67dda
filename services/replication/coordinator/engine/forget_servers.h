// Replications of source servers that were deleted do not stay for ever.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/common/pg/pool.h"
#include "services/replication/coordinator/engine/ports.h"

namespace godwit::coordinator {

// Deletes the replications, with disks, points, history and requests, that hold nothing in any
// store (store/forget_store.h), that nobody touched for `age`, and whose server the registry does
// not know. Several may do so at once; one that is started meanwhile stays. A registry that is
// away: UNAVAILABLE, later again. Each transaction takes a bounded number.
absl::Status ForgetServers(pg::Pool& pool, Registry& registry, absl::Duration age);

}  // namespace godwit::coordinator
