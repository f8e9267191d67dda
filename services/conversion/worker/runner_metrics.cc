#include "services/conversion/worker/runner_metrics.h"

namespace godwit::conversion {

void CollectRunner(const TaskRunner::Figures& figures, Samples& to) {
  to.Gauge("godwit_conversion_worker_connected", "1 while the conversion service answers.", {},
           figures.connected);
  to.Gauge("godwit_conversion_worker_busy", "1 while it converts.", {}, figures.busy);
  const char* const help = "Conversions that ended, by result.";
  to.Counter("godwit_conversions_total", help, {{"result", "succeeded"}},
             static_cast<double>(figures.succeeded));
  to.Counter("godwit_conversions_total", help, {{"result", "failed"}},
             static_cast<double>(figures.failed));
  to.Counter("godwit_conversion_seconds_total", "Time spent on conversions that ended.", {},
             absl::ToDoubleSeconds(figures.spent));
}

}  // namespace godwit::conversion
