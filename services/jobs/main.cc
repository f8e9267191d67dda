// godwit-jobs: runs durable jobs (test launch, cutover launch, terminate, clean-up) and the
// machines they launch on this host.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
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
#include "services/common/rpc/quotas.h"
#include "services/jobs/clients/conversion_client.h"
#include "services/jobs/clients/fleet_client.h"
#include "services/jobs/clients/registry_client.h"
#include "services/jobs/clients/replication_client.h"
#include "services/jobs/rpc/job_handler.h"
#include "services/jobs/rpc/job_metrics.h"
#include "services/jobs/rpc/wave_run_handler.h"
#include "services/jobs/runner/runner.h"
#include "services/jobs/runner/wave_gate.h"
#include "services/jobs/runner/wave_runner.h"
#include "services/jobs/steps/environment.h"
#include "services/jobs/steps/plans.h"
#include "services/jobs/storage/listener.h"
#include "services/jobs/storage/pg_job_store.h"
#include "services/jobs/storage/pg_wave_store.h"
#include "services/jobs/storage/retention.h"
#include "services/jobs/storage/scope_names.h"
#include "services/jobs/targets/export/export_target.h"
#include "services/jobs/targets/libvirt/libvirt_target.h"
#include "services/jobs/targets/qemu/qemu_target.h"

namespace godwit::jobs {
namespace {

struct Config {
  std::string listen = "127.0.0.1:8443";
  std::string database;
  std::string tls_dir, metrics_listen;
  std::string registry, replication, conversion;
  std::string machines_dir = "/var/lib/godwit/machines";
  std::int64_t runner_count = 4, runners_of_job = 0;
  JobQuotas quotas;
  absl::Duration lease = absl::Seconds(15);
  RetentionOptions retention;
  std::string accelerator = "auto";
  std::string probe_kernel;
  std::string uefi_code = "/usr/share/OVMF/OVMF_CODE_4M.fd";
  std::string uefi_variables = "/usr/share/OVMF/OVMF_VARS_4M.fd";
  std::string master_key_file;
  std::string libvirt_uri, libvirt_pool, libvirt_domain_type = "auto";
  std::string libvirt_isolated_network, libvirt_user_network;
  bool libvirt_pool_plain = false;
  std::string export_dir;
  SshOptions ssh;
};

absl::Status ParseFlags(int argc, char** argv, Config* config) {
  Flags flags("godwit-jobs", "Runs jobs and the machines they launch.");
  flags.String("listen", &config->listen, "address:port to serve on; port 0 chooses one");
  flags.String("database", &config->database, "libpq connection string");
  flags.String("tls-dir", &config->tls_dir, "folder with tls.crt, tls.key and ca.crt");
  flags.String("metrics-listen", &config->metrics_listen, kMetricsListenHelp);
  flags.String("registry", &config->registry, "host:port of godwit-registry");
  flags.String("replication", &config->replication, "host:port of godwit-replication");
  flags.String("conversion", &config->conversion, "host:port of godwit-conversion");
  flags.String("machines-dir", &config->machines_dir, "folder of the launched machines");
  flags.Int("runner-count", &config->runner_count, 1, 64, "servers worked on at once");
  flags.Int("runners-of-job", &config->runners_of_job, 0, 64,
            "servers of one job worked on at once, over all godwit-jobs; 0: half of runner-count");
  flags.Int("quota-concurrent-jobs", &config->quotas.concurrent_jobs, 1, 100'000,
            "most launches and terminations at once");
  flags.Int("quota-servers-in-jobs", &config->quotas.servers_in_jobs, 1, 1'000'000,
            "most servers in all of these");
  flags.Int("quota-servers-of-job", &config->quotas.servers_of_job, 1, kMostServersOfJob,
            "most servers in one of these");
  flags.Duration("lease-duration", &config->lease,
                 "after this long a job of a dead process is taken over");
  flags.Duration("wave-run-retention", &config->retention.wave_runs,
                 "how long wave runs are kept after their end");
  flags.Duration("job-retention", &config->retention.jobs,
                 "how long jobs and their logs are kept after their end; those stay whose machines "
                 "still exist");
  flags.String("accelerator", &config->accelerator, "auto, kvm or tcg");
  flags.String("probe-kernel", &config->probe_kernel,
               "kernel image whose boot proves KVM; empty: the newest of /boot");
  flags.String("uefi-code", &config->uefi_code, "UEFI firmware of launched machines");
  flags.String("uefi-variables", &config->uefi_variables, "its template of variables");
  flags.String("master-key-file", &config->master_key_file,
               "the replication workers' keys, for machines of encrypted replicas");
  flags.String("ssh-key-file", &config->ssh.key_file,
               "private key for post-launch actions over SSH; empty: no SSH");
  flags.String("ssh-user", &config->ssh.user, "who logs in with it");
  flags.String("ssh-known-hosts", &config->ssh.known_hosts,
               "host keys that are accepted, by host names of the sources; empty: any");
  flags.String(
      "libvirt-uri", &config->libvirt_uri,
      "libvirt daemon of target libvirt, for example qemu:///system; empty: no such target");
  flags.String("libvirt-pool", &config->libvirt_pool,
               "storage pool (type dir) that disks are uploaded to; empty: files of this host");
  flags.Bool("libvirt-pool-plain", &config->libvirt_pool_plain,
             "encrypted replicas may be uploaded to the pool, where they are not encrypted by us");
  flags.String("libvirt-domain-type", &config->libvirt_domain_type,
               "kvm, qemu (emulated) or auto: as --accelerator finds on this host, kvm elsewhere");
  flags.String("libvirt-isolated-network", &config->libvirt_isolated_network,
               "libvirt network for ISOLATED; empty: a user-mode network without a way out");
  flags.String("libvirt-network", &config->libvirt_user_network,
               "libvirt network for USER; empty: a user-mode network");
  flags.String("export-dir", &config->export_dir,
               "folder that target export writes machines to, as files; empty: no such target");
  ASSIGN_OR_RETURN(const std::vector<std::string> rest, flags.Parse(argc, argv));
  if (!rest.empty()) return absl::InvalidArgumentError(absl::StrCat("unknown argument ", rest[0]));
  for (const auto& [name, value] :
       {std::pair<const char*, std::string*>{"tls-dir", &config->tls_dir},
        {"registry", &config->registry},
        {"replication", &config->replication},
        {"conversion", &config->conversion},
        {"machines-dir", &config->machines_dir}}) {
    if (value->empty()) return absl::InvalidArgumentError(absl::StrCat("--", name, " is required"));
  }
  if (config->accelerator != "auto" && config->accelerator != "kvm" &&
      config->accelerator != "tcg") {
    return absl::InvalidArgumentError("--accelerator: must be auto, kvm or tcg");
  }
  if (config->libvirt_domain_type != "auto" && config->libvirt_domain_type != "kvm" &&
      config->libvirt_domain_type != "qemu") {
    return absl::InvalidArgumentError("--libvirt-domain-type: must be auto, kvm or qemu");
  }
  if (config->export_dir == config->machines_dir)
    return absl::InvalidArgumentError("--export-dir: must not be that of --machines-dir");
  if (config->lease < absl::Seconds(1) || config->lease > absl::Hours(1)) {
    return absl::InvalidArgumentError("--lease-duration: must be 1s to 1h");
  }
  for (const auto& [name, age] :
       {std::pair<const char*, absl::Duration>{"wave-run-retention", config->retention.wave_runs},
        {"job-retention", config->retention.jobs}}) {
    // Requests are known by their ids for a day.
    if (age < absl::Hours(24) || age > absl::Hours(24 * 366 * 100)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", name, ": must be 24h to 878400h (a hundred years)"));
    }
  }
  return absl::OkStatus();
}

std::string NewestKernel() {
  std::string newest;
  std::filesystem::file_time_type newest_time{};
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/boot", error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code no_time;
    const auto time = entry->last_write_time(no_time);
    const bool kernel = absl::StartsWith(entry->path().filename().string(), "vmlinuz-");
    if (no_time || !kernel || (!newest.empty() && time <= newest_time)) continue;
    newest = entry->path().string();
    newest_time = time;
  }
  return newest;
}

QemuOptions TargetOptions(const Config& config) {
  AcceleratorOptions accelerator{.probe_kernel = config.probe_kernel.empty() ? NewestKernel()
                                                                             : config.probe_kernel};
  if (config.accelerator == "kvm") accelerator.choice = AcceleratorChoice::kKvm;
  if (config.accelerator == "tcg") accelerator.choice = AcceleratorChoice::kTcg;
  return {.machines_dir = config.machines_dir,
          .accelerator = accelerator,
          .uefi_code = config.uefi_code,
          .uefi_variables = config.uefi_variables,
          .master_key_file = config.master_key_file};
}

// Null when there is none.
absl::StatusOr<std::unique_ptr<LibvirtTarget>> OpenLibvirt(const Config& config) {
  if (config.libvirt_uri.empty()) return nullptr;
  std::string type = config.libvirt_domain_type;
  if (type == "auto") {
    AcceleratorOptions here = TargetOptions(config).accelerator;
    here.cache_dir = config.machines_dir;
    const bool local = LibvirtConnection(config.libvirt_uri).IsLocal();
    type = !local || ProbeAccelerator(here) == "kvm" ? "kvm" : "qemu";
  }
  return LibvirtTarget::Open({.uri = config.libvirt_uri,
                              .machines_dir = absl::StrCat(config.machines_dir, "/libvirt"),
                              .pool = config.libvirt_pool,
                              .pool_plain = config.libvirt_pool_plain,
                              .host = {.type = type,
                                       .uefi_code = config.uefi_code,
                                       .uefi_variables = config.uefi_variables,
                                       .isolated_network = config.libvirt_isolated_network,
                                       .user_network = config.libvirt_user_network},
                              .master_key_file = config.master_key_file});
}

// Null when there is none.
absl::StatusOr<std::unique_ptr<ExportTarget>> OpenExport(const Config& config) {
  if (config.export_dir.empty()) return nullptr;
  return ExportTarget::Open(
      {.export_dir = config.export_dir, .master_key_file = config.master_key_file});
}

std::shared_ptr<grpc::Channel> DialService(const std::string& endpoint, const std::string& id,
                                           const rpc::TlsMaterial& tls) {
  return rpc::Dial(endpoint, {.kind = rpc::PeerKind::kService, .id = id}, tls);
}

// One job leaves room for others.
int RunnersOfJob(const Config& config) {
  const std::int64_t half = std::max<std::int64_t>(1, config.runner_count / 2);
  return static_cast<int>(config.runners_of_job != 0 ? config.runners_of_job : half);
}

absl::StatusOr<std::vector<Quota>> ListQuotas(JobStore& store, const JobQuotas& quotas) {
  ASSIGN_OR_RETURN(const JobUse used, store.CountQuotaUse());
  return QuotasOfJobs(quotas, used);
}

absl::Status RunService(const Config& config) {
  ASSIGN_OR_RETURN(const rpc::TlsMaterial tls, rpc::LoadWatchedTls(config.tls_dir));
  PgJobStore store(config.database, static_cast<int>(config.runner_count) + 8);
  // Fails early when the database or its schema is missing.
  RETURN_IF_ERROR(Annotate(store.List({.limit = 1}).status(), "--database"));
  pg::DatabaseClock clock(RealClock());
  pg::Probe probe(config.database, &clock);
  RETURN_IF_ERROR(Annotate(probe.Check(), "--database"));
  ASSIGN_OR_RETURN(const std::unique_ptr<QemuTarget> qemu, QemuTarget::Open(TargetOptions(config)));

  RegistryClient registry(DialService(config.registry, "registry", tls));
  const rpc::DenyListFollower deny_list(
      AskRegistryForDenyList(DialService(config.registry, "registry", tls)));
  ReplicationClient replication(DialService(config.replication, "replication", tls));
  ConversionClient conversion(DialService(config.conversion, "conversion", tls));
  ASSIGN_OR_RETURN(const std::unique_ptr<LibvirtTarget> libvirt, OpenLibvirt(config));
  std::map<std::string, Target*> targets = {{qemu->name(), qemu.get()}};
  if (libvirt != nullptr) targets[libvirt->name()] = libvirt.get();
  ASSIGN_OR_RETURN(const std::unique_ptr<ExportTarget> exports, OpenExport(config));
  if (exports != nullptr) targets[exports->name()] = exports.get();
  const Environment environment{.store = store,
                                .registry = registry,
                                .replication = replication,
                                .conversion = conversion,
                                .targets = std::move(targets),
                                .ssh = config.ssh};
  const Plans plans = MakePlans(environment);
  RunnerPool runners(store, clock, plans,
                     {.count = static_cast<int>(config.runner_count),
                      .most_of_job = RunnersOfJob(config),
                      .lease = config.lease,
                      .owner = ProcessOwner()});
  PgWaveStore wave_store(config.database);
  FleetClient fleet(DialService(config.registry, "registry", tls),
                    DialService(config.replication, "replication", tls));
  MachineGate gate(store, environment.targets);
  WaveRunners waves({.store = wave_store, .jobs = store, .fleet = fleet, .gate = gate}, clock,
                    {.lease = config.lease, .owner = ProcessOwner()});
  Listener listener(config.database, [&runners, &waves] {
    runners.Wake();
    waves.Wake();
  });

  JobHandlerOptions options{.targets = environment.targets,
                            .quotas = config.quotas,
                            .wake = [&runners] { runners.Wake(); }};
  for (const auto& [type, plan] : plans) options.step_names[type] = plan.StepNames();
  JobHandler handler(store, std::move(options));
  const auto quota_handler =
      rpc::MakeQuotaHandler([&] { return ListQuotas(store, config.quotas); });
  WaveRunHandler wave_handler(wave_store, fleet,
                              {.wake = [&waves] { waves.Wake(); }, .clock = &clock});
  ScopesFromRegistry scopes(
      DialService(config.registry, "registry", tls),
      [&](const std::string& name) { return ScopeNamesOf(store, wave_store, name); });
  ASSIGN_OR_RETURN(const std::unique_ptr<rpc::Server> server,
                   rpc::Server::Start({.listen = config.listen, .tls = tls, .scopes = &scopes},
                                      {&handler, &wave_handler, quota_handler.get()}));
  rpc::Lifeline lifeline({server.get()}, {.ready = [&probe] { return probe.Check(); }});
  // A scrape takes no connection from the runners.
  pg::Pool figures({.conninfo = config.database, .max_connections = 1});
  pg::Pool tidying({.conninfo = config.database, .max_connections = 1});
  ASSIGN_OR_RETURN(const auto metrics, MetricsServer::Start(config.metrics_listen, GODWIT_VERSION));
  metrics->Add([&](Samples& to) {
    CollectService(&lifeline, tls, to);
    CollectPool(store.pool(), to);
    CollectJobs(figures, config.quotas, to);
  });
  const Retention retention(tidying, config.retention);
  Log(Severity::kInfo, "serving", {{"port", absl::StrCat(server->port())}});
  while (!WaitForShutdownSignal(absl::Seconds(15))) qemu->LookAfter();
  Log(Severity::kInfo, "stopping");
  // Machines go on; their jobs are given back for whoever comes next.
  lifeline.Stop();
  handler.Stop();
  wave_handler.Stop();
  server->Stop();
  waves.Stop();
  runners.Stop();
  return absl::OkStatus();
}

}  // namespace
}  // namespace godwit::jobs

int main(int argc, char** argv) {
  godwit::LeaveOutMutexChecks();
  godwit::BlockShutdownSignals();
  godwit::InitLog("jobs");
  godwit::jobs::Config config;
  if (const absl::Status parsed = godwit::jobs::ParseFlags(argc, argv, &config); !parsed.ok()) {
    if (absl::IsCancelled(parsed)) return 0;
    std::fprintf(stderr, "godwit-jobs: %s\n", std::string(parsed.message()).c_str());
    return 2;
  }
  if (const absl::Status status = godwit::jobs::RunService(config); !status.ok()) {
    godwit::Log(godwit::Severity::kError, "cannot run", {{"error", std::string(status.message())}});
    return 1;
  }
  return 0;
}
