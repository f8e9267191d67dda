#include "services/registry/rpc/registry_metrics.h"

#include "godwit/registry/v1/source_server.pb.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/registry/storage/figures.h"
#include "services/registry/storage/outbox.h"
#include "services/registry/storage/webhook_store.h"

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
  ASSIGN_OR_RETURN(const storage::WebhookLoad webhooks, storage::LoadOfWebhooks(*connection, ""));
  to.Gauge("godwit_webhook_waiting", "Webhook deliveries that have not arrived yet.", {},
           static_cast<double>(webhooks.waiting));
  to.Gauge("godwit_webhook_parked", "Webhook deliveries that failed for too long.", {},
           static_cast<double>(webhooks.parked));
  to.Gauge("godwit_webhook_oldest_seconds", "How long the oldest of both has waited.", {},
           absl::ToDoubleSeconds(webhooks.oldest));
  to.Gauge("godwit_webhook_behind_events",
           "Events that no delivery was made of yet, of all webhooks.", {},
           static_cast<double>(webhooks.behind));
  return absl::OkStatus();
}

}  // namespace

void CollectRegistry(pg::Pool& pool, Samples& to) {
  if (const absl::Status status = Collect(pool, to); !status.ok()) {
    Log(Severity::kWarning, "no figures", {{"error", status.ToString()}});
  }
}

}  // namespace godwit::registry
