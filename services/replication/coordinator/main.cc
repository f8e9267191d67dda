// godwit-replication: the replication coordinator.
#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "services/common/base/clock.h"
#include "services/common/base/flags.h"
#include "services/common/base/json_log.h"
#include "services/common/base/mutex_checks.h"
#include "services/common/base/signals.h"
#include "services/common/base/status_macros.h"
#include "services/common/clients/deny_list_client.h"
#include "services/common/clients/scope_client.h"
#include "services/common/metrics/service_metrics.h"
#include "services/common/pg/probe.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/lifeline.h"
#include "services/common/rpc/signed_report.h"
#include "services/replication/coordinator/clients/registry_client.h"
#include "services/replication/coordinator/engine/housekeeping.h"
#include "services/replication/coordinator/rpc/handlers.h"
#include "services/replication/coordinator/rpc/replication_metrics.h"

namespace godwit {
namespace {

struct Config {
  std::string listen = "0.0.0.0:7442", database, tls_dir, registry, metrics_listen;
  absl::Duration lease_duration = absl::Seconds(15);
  absl::Duration move_after = absl::Minutes(30);
  std::int64_t database_connections = 16;
};

absl::Status Check(const Config& config) {
  if (config.database.empty()) {
    return absl::InvalidArgumentError("--database: libpq connection string is needed");
  }
  if (config.registry.empty()) {
    return absl::InvalidArgumentError("--registry: HOST:PORT of the registry is needed");
  }
  if (config.lease_duration < absl::Seconds(3) || config.lease_duration > absl::Minutes(10)) {
    return absl::InvalidArgumentError("--lease-duration: must be from 3s to 10m");
  }
  return absl::OkStatus();
}

absl::Status Run(const Config& config) {
  RETURN_IF_ERROR(Check(config));
  ASSIGN_OR_RETURN(const rpc::TlsMaterial tls, rpc::LoadWatchedTls(config.tls_dir));
  ASSIGN_OR_RETURN(const rpc::Identity registry_peer, rpc::ParsePrincipal("service/registry"));
  // A copy that stops between two statements holds the rows of workers: they must be free again
  // while the worker may still renew its lease through another copy.
  pg::Pool pool(
      {.conninfo = config.database,
       .max_connections = static_cast<int>(config.database_connections),
       .limits = {.idle = std::min(pg::Connection::Limits().idle, config.lease_duration / 3)}});
  coordinator::RegistryClient registry(rpc::Dial(config.registry, registry_peer, tls), RealClock());
  const rpc::DenyListFollower deny_list(
      AskRegistryForDenyList(rpc::Dial(config.registry, registry_peer, tls)));
  ScopesFromRegistry scopes(rpc::Dial(config.registry, registry_peer, tls));
  coordinator::AgentReports agents(pool, registry, coordinator::DecodeReplicationSettings);
  coordinator::WorkerReports workers(pool, config.lease_duration,
                                     coordinator::DecodeReplicationSettings);
  coordinator::Servers servers(pool);
  coordinator::Points points(pool, coordinator::DecodeReplicationSettings);
  coordinator::Verifications verifications(
      pool,
      [&config](const std::string& text) -> absl::StatusOr<std::string> {
        // Read now: certificates are replaced while the service runs.
        ASSIGN_OR_RETURN(const rpc::TlsMaterial present, rpc::LoadTls(config.tls_dir));
        return rpc::SignReport(text, present);
      },
      GODWIT_VERSION);
  coordinator::Housekeeping::Options options{.lease = config.lease_duration};
  options.assignment.move_after = config.move_after;
  coordinator::Housekeeping housekeeping(pool, registry, coordinator::DecodeReplicationSettings,
                                         agents, verifications, RealClock(), options);

  const auto agent_handler = coordinator::MakeAgentHandler(agents);
  const auto worker_handler = coordinator::MakeWorkerHandler(workers);
  const auto replication_handler =
      coordinator::MakeReplicationHandler(pool, servers, points, verifications);
  ASSIGN_OR_RETURN(
      const auto server,
      rpc::Server::Start(
          {.listen = config.listen, .tls = tls, .max_threads = 96, .scopes = &scopes},
          {agent_handler->service(), worker_handler->service(), replication_handler->service()}));
  pg::Probe probe(config.database);
  rpc::Lifeline lifeline({server.get()}, {.ready = [&probe] { return probe.Check(); }});
  ASSIGN_OR_RETURN(const auto metrics, MetricsServer::Start(config.metrics_listen, GODWIT_VERSION));
  metrics->Add([&](Samples& to) {
    CollectService(&lifeline, tls, to);
    CollectPool(pool, to);
    coordinator::CollectReplications(pool, to);
  });
  housekeeping.Start();
  Log(Severity::kInfo, "serving", {{"port", absl::StrCat(server->port())}});
  WaitForShutdownSignal();
  Log(Severity::kInfo, "stopping");
  lifeline.Stop();
  replication_handler->Stop();
  housekeeping.Stop();
  server->Stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace godwit

int main(int argc, char** argv) {
  godwit::Config config;
  godwit::Flags flags("godwit-replication",
                      "Coordinates replication: leases, assignment, points, clones.");
  flags.String("listen", &config.listen, "address:port to serve on");
  flags.String("database", &config.database, "libpq connection string");
  flags.String("tls-dir", &config.tls_dir, "folder with tls.crt, tls.key and ca.crt");
  flags.String("registry", &config.registry, "host:port of the registry");
  flags.String("metrics-listen", &config.metrics_listen, godwit::kMetricsListenHelp);
  flags.Duration("lease-duration", &config.lease_duration, "lease of a worker");
  flags.Duration("move-after", &config.move_after,
                 "replicate a server anew elsewhere when no worker of its store lived so long");
  flags.Int("database-connections", &config.database_connections, 2, 200,
            "connections to the database at most");
  if (const auto rest = flags.Parse(argc, argv); !rest.ok()) {
    if (absl::IsCancelled(rest.status())) return 0;
    std::fprintf(stderr, "godwit-replication: %s\n", std::string(rest.status().message()).c_str());
    return 2;
  }
  godwit::LeaveOutMutexChecks();
  godwit::BlockShutdownSignals();
  godwit::InitLog("replication");
  if (const absl::Status status = godwit::Run(config); !status.ok()) {
    godwit::Log(godwit::Severity::kError, "cannot run", {{"error", status.ToString()}});
    return 1;
  }
  return 0;
}
