#include "services/replication/coordinator/rpc/replication_metrics.h"

#include "godwit/replication/v1/replication.pb.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/replication/coordinator/domain/replication_state.h"
#include "services/replication/coordinator/store/server_store.h"
#include "services/replication/coordinator/store/worker_store.h"

namespace godwit::coordinator {
namespace {

namespace pb = ::godwit::replication::v1;

constexpr int kPage = 1000;

double Seconds(absl::Duration duration) { return absl::ToDoubleSeconds(duration); }
double SinceEpoch(absl::Time time) { return Seconds(time - absl::UnixEpoch()); }

void Add(const Server& server, Samples& to) {
  const Samples::Labels id = {{"source_server", server.id}};
  Samples::Labels state = id;
  state.emplace_back("state", pb::Replication::State_Name(static_cast<int>(server.state)));
  to.Gauge("godwit_replication_state", "Always 1; the state is a label.", state, 1);
  if (server.state == State::kStalled) {
    Samples::Labels cause = id;
    cause.emplace_back("cause",
                       pb::Replication::StallCause_Name(static_cast<int>(server.stall_cause)));
    to.Gauge("godwit_replication_stalled", "1 while replication is stalled; the cause is a label.",
             cause, 1);
  }
  if (server.wish != Wish::kReplicate && server.wish != Wish::kPause) return;
  if (const auto lag = Lag(server)) {
    to.Gauge("godwit_replication_lag_seconds", "Time since the replica last equalled the source.",
             id, Seconds(*lag));
  }
  to.Gauge("godwit_replication_backlog_bytes", "Not yet sent.", id,
           static_cast<double>(BacklogBytes(server)));
  to.Gauge("godwit_replication_disk_bytes", "Size of all disks.", id,
           static_cast<double>(TotalBytes(server)));
  to.Gauge("godwit_replication_bytes_per_second", "Goodput that the agent measures.", id,
           static_cast<double>(server.bytes_per_second));
  to.Counter("godwit_replication_sent_bytes_total",
             "Sent before compression since the agent's streams opened.", id,
             static_cast<double>(server.sent_bytes));
  to.Counter("godwit_replication_wire_bytes_total", "The same on the wire.", id,
             static_cast<double>(server.wire_bytes));
  to.Counter("godwit_replication_differences_total",
             "Blocks of the replica found to differ since the server came into service.", id,
             static_cast<double>(server.difference_count));
  for (const auto& [kind, count] : server.losses) {
    Samples::Labels loss = id;
    loss.emplace_back("kind", pb::Loss::Kind_Name(kind));
    to.Counter(
        "godwit_replication_losses_total",
        "Changes that tracking or capture may have missed, since they began; each kind leads "
        "to a comparison of the whole disk or ends following.",
        loss, static_cast<double>(count));
  }
  to.Counter("godwit_replication_rescans_total",
             "Comparisons of whole disks that were begun since the agent's process began.", id,
             static_cast<double>(server.rescan_count));
  to.Gauge("godwit_replication_stored_bytes",
           "What the replica holds of its worker's store, with points and clones.", id,
           static_cast<double>(server.group_allocated_bytes));
  if (server.agent_seen_time) {
    to.Gauge("godwit_replication_agent_silence_seconds", "Time since the agent last reported.", id,
             Seconds(server.now - *server.agent_seen_time));
  }
  if (server.latest_cut_time) {
    to.Gauge("godwit_replication_latest_point_timestamp_seconds",
             "Cut of the newest kept point, since 1970.", id, SinceEpoch(*server.latest_cut_time));
  }
  if (server.verified_time) {
    to.Gauge("godwit_replication_verified_timestamp_seconds",
             "End of the last comparison of the whole replica, since 1970.", id,
             SinceEpoch(*server.verified_time));
  }
  if (server.bottleneck_stage != 0) {
    Samples::Labels stage = id;
    stage.emplace_back("stage", pb::Bottleneck::Stage_Name(server.bottleneck_stage));
    to.Gauge("godwit_replication_bottleneck_ratio",
             "Share of time that the slowest stage takes; the stage is a label.", stage,
             server.bottleneck_permille / 1000.0);
  }
}

void Add(const Worker& worker, Samples& to) {
  const Samples::Labels id = {{"worker", worker.id}, {"store", worker.store_id}};
  to.Gauge("godwit_worker_up", "1 while the worker's lease is good.", id, worker.dead ? 0 : 1);
  to.Gauge("godwit_worker_servers", "Source servers that it has.", id, worker.server_count);
  to.Gauge("godwit_worker_max_servers", "Source servers that it takes at most.", id,
           worker.max_server_count);
  to.Gauge("godwit_worker_store_total_bytes", "Size of its staging store.", id,
           static_cast<double>(worker.store_total_bytes));
  to.Gauge("godwit_worker_store_free_bytes", "Free in its staging store.", id,
           static_cast<double>(worker.store_free_bytes));
}

// Page by page, so that no transaction is long.
template <typename List>
absl::Status AddAll(pg::Pool& pool, Samples& to, const List& list) {
  std::string after;
  while (true) {
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool.Acquire());
    ASSIGN_OR_RETURN(const auto rows, list(*connection, after, kPage));
    for (const auto& row : rows) Add(row, to);
    if (rows.size() < kPage) return absl::OkStatus();
    after = rows.back().id;
  }
}

}  // namespace

void CollectReplications(pg::Pool& pool, Samples& to) {
  absl::Status status = AddAll(pool, to, store::ListServers);
  status.Update(AddAll(pool, to, store::ListWorkers));
  if (!status.ok())
    Log(Severity::kWarning, "metrics are not complete", {{"error", status.ToString()}});
}

}  // namespace godwit::coordinator
