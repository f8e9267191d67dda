// godwit-conversion: the queue of conversions and their leases.
#include <cstdio>
#include <optional>

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
#include "services/common/pg/pool.h"
#include "services/common/pg/probe.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/lifeline.h"
#include "services/conversion/service/profile_files.h"
#include "services/conversion/service/rpc/conversion_metrics.h"
#include "services/conversion/service/rpc/handlers.h"
#include "services/conversion/service/storage/pg_task_store.h"

namespace godwit {
namespace {

struct Config {
  std::string listen = "127.0.0.1:8444", database, tls_dir, registry, metrics_listen;
  std::vector<std::string> profiles;
  absl::Duration lease = absl::Seconds(30), keep = absl::Hours(24 * 30);
};

absl::Status Run(const Config& config) {
  if (config.lease < absl::Seconds(3) || config.lease > absl::Minutes(10)) {
    return absl::InvalidArgumentError("--lease-duration: 3s to 10m");
  }
  ASSIGN_OR_RETURN(const rpc::TlsMaterial tls, rpc::LoadWatchedTls(config.tls_dir));
  std::vector<std::string> folders = {conversion::DefaultProfileFolder()};
  folders.insert(folders.end(), config.profiles.begin(), config.profiles.end());
  ASSIGN_OR_RETURN(const conversion::Profiles profiles, conversion::LoadProfiles(folders));
  pg::Pool pool({.conninfo = config.database, .max_connections = 16});
  conversion::PgTaskStore store(pool, {.lease_duration = config.lease});
  RETURN_IF_ERROR(Annotate(store.List(1, 1).status(), "--database"));
  const conversion::ExpiryGrace grace(RealClock(), config.lease);
  std::optional<rpc::DenyListFollower> deny_list;
  std::optional<ScopesFromRegistry> scopes;
  if (!config.registry.empty()) {
    const rpc::Identity registry{.kind = rpc::PeerKind::kService, .id = "registry"};
    deny_list.emplace(AskRegistryForDenyList(rpc::Dial(config.registry, registry, tls)));
    scopes.emplace(rpc::Dial(config.registry, registry, tls));
  }
  conversion::ConversionHandler tasks(store, profiles);
  conversion::ConversionWorkerHandler workers(store, grace, {.lease_duration = config.lease});
  ASSIGN_OR_RETURN(const auto server,
                   rpc::Server::Start(
                       {.listen = config.listen, .tls = tls, .scopes = scopes ? &*scopes : nullptr},
                       {&tasks, &workers}));
  pg::Probe probe(config.database);
  rpc::Lifeline lifeline({server.get()}, {.ready = [&probe] { return probe.Check(); }});
  ASSIGN_OR_RETURN(const auto metrics, MetricsServer::Start(config.metrics_listen, GODWIT_VERSION));
  metrics->Add([&](Samples& to) {
    CollectService(&lifeline, tls, to);
    CollectPool(pool, to);
    conversion::CollectTasks(pool, to);
  });
  Log(Severity::kInfo, "serving", {{"port", absl::StrCat(server->port())}});
  absl::Time next_removal = SteadyNow();
  while (!WaitForShutdownSignal(config.lease / 3)) {
    const absl::StatusOr<std::int64_t> ended = store.EndAbandoned(grace.Over());
    if (ended.ok() && *ended > 0)
      Log(Severity::kWarning, "tasks given up", {{"count", absl::StrCat(*ended)}});
    if (SteadyNow() < next_removal) continue;
    next_removal = SteadyNow() + absl::Minutes(10);
    store.RemoveEnded(config.keep).status().IgnoreError();
  }
  Log(Severity::kInfo, "stopping");
  lifeline.Stop();
  workers.Stop();
  server->Stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace godwit

int main(int argc, char** argv) {
  godwit::Config config;
  godwit::Flags flags("godwit-conversion",
                      "Keeps the queue of conversions for the conversion workers.");
  flags.String("listen", &config.listen, "address:port to serve on; port 0 chooses one");
  flags.String("database", &config.database, "libpq connection string");
  flags.Strings(
      "profiles", &config.profiles,
      "folder with target profiles of your own (*.json), besides those that come with it");
  flags.String("registry", &config.registry,
               "host:port of the registry, which knows who was revoked and who is limited to a "
               "scope; empty: nobody is revoked, and only admins and services see tasks");
  flags.String("tls-dir", &config.tls_dir, "folder with tls.crt, tls.key and ca.crt");
  flags.String("metrics-listen", &config.metrics_listen, godwit::kMetricsListenHelp);
  flags.Duration("lease-duration", &config.lease,
                 "after this long the task of a dead worker is given to another one");
  flags.Duration("keep", &config.keep, "how long ended tasks are kept");
  if (const auto rest = flags.Parse(argc, argv); !rest.ok()) {
    if (absl::IsCancelled(rest.status())) return 0;
    std::fprintf(stderr, "godwit-conversion: %s\n", std::string(rest.status().message()).c_str());
    return 2;
  }
  godwit::LeaveOutMutexChecks();
  godwit::BlockShutdownSignals();
  godwit::InitLog("conversion");
  if (const absl::Status status = godwit::Run(config); !status.ok()) {
    godwit::Log(godwit::Severity::kError, "cannot run", {{"error", status.ToString()}});
    return 1;
  }
  return 0;
}
