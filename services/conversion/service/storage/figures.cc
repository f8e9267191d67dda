#include "services/conversion/service/storage/figures.h"

#include "services/common/base/status_macros.h"

namespace godwit::conversion {
namespace {

constexpr pg::Statement kTasks = {
    "conversion_count",
    "SELECT state, count(*), coalesce(extract(epoch FROM now() - min(due_at)), 0) "
    "FROM conversion.task GROUP BY state ORDER BY state"};

}  // namespace

absl::StatusOr<TaskFigures> CountTasks(pg::Pool& pool) {
  ASSIGN_OR_RETURN(const pg::Result rows, pool.Exec(kTasks));
  TaskFigures figures;
  for (int row = 0; row < rows.rows(); ++row) {
    const auto state = static_cast<TaskState>(rows.Int(row, 0));
    figures.tasks.emplace_back(state, rows.Int(row, 1));
    if (state == TaskState::kPending) {
      figures.oldest_pending = std::max(absl::ZeroDuration(), absl::Seconds(rows.Double(row, 2)));
    }
  }
  return figures;
}

}  // namespace godwit::conversion
