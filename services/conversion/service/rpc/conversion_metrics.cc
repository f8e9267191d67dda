#include "services/conversion/service/rpc/conversion_metrics.h"

#include "godwit/conversion/v1/conversion_service.pb.h"
#include "services/common/base/json_log.h"
#include "services/conversion/service/storage/figures.h"

namespace godwit::conversion {

void CollectTasks(pg::Pool& pool, Samples& to) {
  const absl::StatusOr<TaskFigures> figures = CountTasks(pool);
  if (!figures.ok()) {
    Log(Severity::kWarning, "no figures", {{"error", figures.status().ToString()}});
    return;
  }
  for (const auto& [state, count] : figures->tasks) {
    to.Gauge("godwit_conversion_tasks", "Conversions that are stored.",
             {{"state", v1::ConversionTask::State_Name(static_cast<int>(state))}},
             static_cast<double>(count));
  }
  to.Gauge("godwit_conversion_oldest_pending_seconds",
           "How long the first task has waited for a worker.", {},
           absl::ToDoubleSeconds(figures->oldest_pending));
}

}  // namespace godwit::conversion
