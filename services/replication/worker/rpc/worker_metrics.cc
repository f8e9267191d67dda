#include "services/replication/worker/rpc/worker_metrics.h"

namespace godwit::worker {

void CollectWorker(const GroupHost& host, const store::Store& store, Samples& to) {
  for (const GroupHost::Status& group : host.List()) {
    const Samples::Labels id = {{"source_server", group.server}};
    to.Counter("godwit_group_received_bytes_total",
               "Received from the agent since the worker opened the group.", id,
               static_cast<double>(group.received_bytes));
    to.Gauge("godwit_group_committed_epoch", "The newest epoch that is durable.", id,
             static_cast<double>(group.committed_epoch));
    to.Gauge("godwit_group_connected", "1 while the agent's stream is open.", id, group.connected);
    to.Counter("godwit_group_damaged_payloads_total",
               "Payloads that were damaged on their way and refused.", id,
               static_cast<double>(group.hosted->damaged_count));
    constexpr std::pair<WorkMeter::Stage, const char*> kStages[] = {
        {WorkMeter::kVerify, "verify"}, {WorkMeter::kWrite, "write"},
        {WorkMeter::kSync, "sync"},     {WorkMeter::kTurn, "turn"},
        {WorkMeter::kLimit, "limit"},   {WorkMeter::kDatabase, "database"}};
    for (const auto& [stage, name] : kStages) {
      Samples::Labels labels = id;
      labels.emplace_back("stage", name);
      to.Counter("godwit_group_stage_seconds_total",
                 "Where the worker's time for the server went; streams work side by side.", labels,
                 absl::ToDoubleSeconds(group.hosted->meter.spent(stage)));
    }
  }
  const auto space = store.Space();
  if (!space.ok()) return;
  to.Gauge("godwit_store_total_bytes", "Size of the staging store.", {{"store", store.id()}},
           static_cast<double>(space->total_bytes));
  to.Gauge("godwit_store_free_bytes", "Free in the staging store.", {{"store", store.id()}},
           static_cast<double>(space->free_bytes));
}

}  // namespace godwit::worker
