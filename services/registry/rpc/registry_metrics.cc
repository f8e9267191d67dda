#include "services/registry/rpc/registry_metrics.h"

#include "godwit/registry/v1/source_server.pb.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/figures.h"
#include "services/registry/storage/outbox.h"

namespace godwit::registry {
namespace {

namespace pb = ::godwit::registry::v1;

absl::Status Collect(pg::Pool& pool, Samples& to) {
  ASSIGN_OR_RETURN(pg::Pool::Lease connection, pool.Acquire());
  ASSIGN_OR_RETURN(const auto servers, storage::CountServers(*connection));
  for (const storage::ServerCount& entry : servers) {
    to.Gauge("godwit_servers", "Source servers.",
             {{"lifecycle_state", pb::SourceServer::LifecycleState_Name(entry.lifecycle)},
              {"archived", entry.archived ? "true" : "false"}},
             static_cast<double>(entry.count));
  }
  ASSIGN_OR_RETURN(const storage::OutboxLoad load, storage::Load(*connection));
  to.Gauge("godwit_outbox_waiting", "Commands to other services that have not arrived yet.", {},
           static_cast<double>(load.waiting));
  to.Gauge("godwit_outbox_oldest_seconds", "How long the oldest of them has waited.", {},
           absl::ToDoubleSeconds(load.oldest));
  return absl::OkStatus();
}

}  // namespace

void CollectRegistry(pg::Pool& pool, Samples& to) {
  if (const absl::Status status = Collect(pool, to); !status.ok()) {
    Log(Severity::kWarning, "no figures", {{"error", status.ToString()}});
  }
}

}  // namespace godwit::registry
