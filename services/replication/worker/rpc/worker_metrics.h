// A worker's groups and store for Prometheus.
#pragma once

#include "services/common/metrics/metrics.h"
#include "services/replication/worker/engine/group_host.h"
#include "services/replication/worker/store/store.h"

namespace godwit::worker {

void CollectWorker(const GroupHost& host, const store::Store& store, Samples& to);

}  // namespace godwit::worker
