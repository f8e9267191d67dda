// What a conversion worker tells Prometheus.
#pragma once

#include "services/common/metrics/metrics.h"
#include "services/conversion/worker/task_runner.h"

namespace godwit::conversion {

void CollectRunner(const TaskRunner::Figures& figures, Samples& to);

}  // namespace godwit::conversion
