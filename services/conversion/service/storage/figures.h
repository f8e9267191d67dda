// Counts for metrics.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/pg/pool.h"
#include "services/conversion/service/domain/task.h"

namespace godwit::conversion {

struct TaskFigures {
  std::vector<std::pair<TaskState, std::int64_t>> tasks;  // that are stored
  absl::Duration oldest_pending;                          // the longest wait for a worker
};
absl::StatusOr<TaskFigures> CountTasks(pg::Pool& pool);

}  // namespace godwit::conversion
