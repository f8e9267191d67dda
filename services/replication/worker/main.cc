// godwit-replication-worker: receives the blocks of source servers and keeps their replicas in a
// staging store.
#include <grpcpp/channel.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/flags.h"
#include "services/common/base/json_log.h"
#include "services/common/base/mutex_checks.h"
#include "services/common/base/process.h"
#include "services/common/base/signals.h"
#include "services/common/base/status_macros.h"
#include "services/common/metrics/service_metrics.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/lifeline.h"
#include "services/replication/worker/key_commands.h"
#include "services/replication/worker/rpc/block_stream_service.h"
#include "services/replication/worker/rpc/control_client.h"
#include "services/replication/worker/rpc/worker_metrics.h"
#include "services/replication/worker/store/open_store.h"

namespace godwit {
namespace {

// Less than one frame a second: agents would take the worker for dead.
constexpr std::int64_t kLeastBandwidth = 1 << 20;

struct Config {
  std::string store, listen = "0.0.0.0:7443", advertise, replication, tls_dir, metrics_listen,
                     master_key_file;
  std::vector<std::string> labels;
  std::int64_t max_servers = 20, bandwidth_limit = 0;
  store::RbdOptions rbd{.conf = "/etc/ceph/ceph.conf", .user = "godwit"};
  std::int64_t ceph_timeout_seconds = absl::ToInt64Seconds(rbd.patience);
};

absl::Status Run(const Config& config) {
  if (config.store.empty())
    return absl::InvalidArgumentError("--store: a folder or a pool for the replicas is needed");
  if (config.replication.empty()) {
    return absl::InvalidArgumentError("--replication: HOST:PORT of the coordinator is needed");
  }
  if (config.bandwidth_limit > 0 && config.bandwidth_limit < kLeastBandwidth) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--bandwidth-limit-bytes-per-second: must be 0 or at least ", kLeastBandwidth));
  }
  ASSIGN_OR_RETURN(const rpc::TlsMaterial tls, rpc::LoadWatchedTls(config.tls_dir));
  store::RbdOptions rbd = config.rbd;
  rbd.patience = absl::Seconds(config.ceph_timeout_seconds);
  ASSIGN_OR_RETURN(const auto store, store::OpenStore(config.store, rbd, config.master_key_file));
  ASSIGN_OR_RETURN(const rpc::Identity coordinator, rpc::ParsePrincipal("service/replication"));
  worker::LeaseTable leases(RealClock());
  worker::GroupHost host(*store, leases);
  std::unique_ptr<worker::ControlClient> control;
  worker::BlockStreamService service(host, leases,
                                     {.bandwidth_limit_bytes_per_second = config.bandwidth_limit},
                                     [&control](const std::string& server, std::int64_t generation,
                                                const store::PointFacts& facts) {
                                       control->PointCommitted(server, generation, facts);
                                     });
  worker::ControlClient::Options options{.max_server_count = static_cast<int>(config.max_servers),
                                         .version = GODWIT_VERSION};
  for (const std::string& label : config.labels) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(label, absl::MaxSplits('=', 1));
    options.labels.insert(pair);
  }
  // The port may be chosen by the system, so the server comes first; it refuses agents until there
  // are leases.
  ASSIGN_OR_RETURN(
      const auto server,
      rpc::Server::Start(
          {.listen = config.listen,
           .tls = tls,
           .max_threads = static_cast<int>(config.max_servers * worker::SessionLanes::kMost + 16),
           .max_message_bytes = 8 << 20,
           .traffic = rpc::Traffic::kData},
          {&service}));
  options.endpoint =
      config.advertise.empty() ? absl::StrCat("127.0.0.1:", server->port()) : config.advertise;
  control = std::make_unique<worker::ControlClient>(rpc::Dial(config.replication, coordinator, tls),
                                                    rpc::Dial(config.replication, coordinator, tls),
                                                    std::move(options), *store, host, leases);
  control->Start();
  // It goes on receiving while the coordinator or its database is away.
  rpc::Lifeline lifeline({server.get()}, {});
  ASSIGN_OR_RETURN(const auto metrics, MetricsServer::Start(config.metrics_listen, GODWIT_VERSION));
  metrics->Add([&](Samples& to) {
    CollectService(&lifeline, tls, to);
    worker::CollectWorker(host, *store, to);
  });
  Log(Severity::kInfo, "serving",
      {{"port", absl::StrCat(server->port())}, {"store", config.store}});
  WaitForShutdownSignal();
  Log(Severity::kInfo, "stopping");
  lifeline.Stop();
  host.CloseAll();
  server->Stop();
  control->Stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace godwit

int main(int argc, char** argv) {
  godwit::TuneProcess();
  godwit::Config config;
  godwit::Flags flags("godwit-replication-worker",
                      "Receives the blocks of source servers and keeps their replicas.");
  flags.String("store", &config.store,
               "staging store: a folder (made when missing), or rbd:POOL[/NAMESPACE]");
  flags.String("ceph-conf", &config.rbd.conf, "ceph.conf of a store in Ceph");
  flags.String("ceph-user", &config.rbd.user, "its client, without \"client.\"");
  flags.Int("ceph-timeout-seconds", &config.ceph_timeout_seconds, 1, 3600,
            "how long one operation of the Ceph cluster may take");
  flags.String("clone-folder", &config.rbd.clone_folder,
               "folder for the disks of clones, with a store in Ceph");
  flags.String("listen", &config.listen, "address:port of the block stream");
  flags.String("advertise", &config.advertise,
               "host:port at which agents reach it (default: 127.0.0.1 and the port)");
  flags.String("replication", &config.replication, "host:port of the replication coordinator");
  flags.String("tls-dir", &config.tls_dir, "folder with tls.crt, tls.key and ca.crt");
  flags.String("metrics-listen", &config.metrics_listen, godwit::kMetricsListenHelp);
  flags.String("master-key-file", &config.master_key_file,
               "keys for replicas that are encrypted at rest; made and rotated with the command "
               "\"keys\" (docs/encryption.md)");
  flags.Strings("label", &config.labels, "KEY=VALUE that settings can ask for; may be repeated");
  flags.Int("bandwidth-limit-bytes-per-second", &config.bandwidth_limit, 0, std::int64_t{1} << 50,
            "what it receives at most, shared fairly by the servers that send; 0: no limit");
  flags.Int("max-servers", &config.max_servers, 1, 10000, "source servers it takes at most");
  const auto rest = flags.Parse(argc, argv);
  absl::Status usage = rest.status();
  if (rest.ok() && !rest->empty()) {
    if (rest->front() == "keys") {
      usage = godwit::worker::RunKeyCommand({rest->begin() + 1, rest->end()}, config.store,
                                            config.master_key_file);
      if (usage.ok()) return 0;
    } else {
      usage = absl::InvalidArgumentError("unknown argument " + rest->front());
    }
  }
  if (!usage.ok()) {
    if (absl::IsCancelled(usage)) return 0;
    std::fprintf(stderr, "godwit-replication-worker: %s\n", std::string(usage.message()).c_str());
    return 2;
  }
  godwit::LeaveOutMutexChecks();
  godwit::BlockShutdownSignals();
  godwit::InitLog("replication-worker");
  if (const absl::Status status = godwit::Run(config); !status.ok()) {
    godwit::Log(godwit::Severity::kError, "cannot run", {{"error", status.ToString()}});
    return 1;
  }
  return 0;
}
