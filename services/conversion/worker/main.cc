// godwit-conversion-worker: converts disks in throw-away machines.
#include <grpcpp/channel.h>

#include <cstdio>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/flags.h"
#include "services/common/base/json_log.h"
#include "services/common/base/mutex_checks.h"
#include "services/common/base/notify.h"
#include "services/common/base/signals.h"
#include "services/common/base/status_macros.h"
#include "services/common/metrics/service_metrics.h"
#include "services/common/rpc/channel.h"
#include "services/conversion/appliance/supplies.h"
#include "services/conversion/worker/runner_metrics.h"
#include "services/conversion/worker/task_runner.h"

namespace godwit {
namespace {

struct Config {
  std::string conversion, work_dir, tls_dir, appliance, accelerator = "tcg", master_key_file,
                                                        disk_keys, scripts, metrics_listen;
  std::int64_t memory_mib = 1024;
  conversion::SuppliesOptions windows;
};

// Beside the programs of a build, or where a package puts it.
std::string DefaultAppliance() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path built = self.parent_path().parent_path() / "appliance";
  return std::filesystem::exists(built / "version", error) ? built.string()
                                                           : "/usr/lib/godwit/appliance";
}

absl::Status Run(const Config& config) {
  if (config.conversion.empty())
    return absl::InvalidArgumentError("--conversion: host:port of godwit-conversion is needed");
  if (config.work_dir.empty()) return absl::InvalidArgumentError("--work-dir is needed");
  if (config.accelerator != "tcg" && config.accelerator != "kvm")
    return absl::InvalidArgumentError("--accelerator: tcg or kvm");
  ASSIGN_OR_RETURN(const rpc::TlsMaterial tls, rpc::LoadWatchedTls(config.tls_dir));
  RETURN_IF_ERROR(MakeDirs(config.work_dir, 0700));
  std::string supplies;
  if (!config.windows.empty()) {
    supplies = config.work_dir + "/windows-supplies.img";
    RETURN_IF_ERROR(conversion::MakeSupplies(config.windows, config.work_dir, supplies));
  }
  ASSIGN_OR_RETURN(const auto appliance,
                   conversion::Appliance::Open(
                       {.folder = config.appliance.empty() ? DefaultAppliance() : config.appliance,
                        .accelerator = config.accelerator,
                        .memory_mib = static_cast<int>(config.memory_mib),
                        .master_key_file = config.master_key_file,
                        .disk_keys_folder = config.disk_keys,
                        .supplies_image = supplies,
                        .scripts_folder = config.scripts}));
  conversion::TaskRunner runner(
      rpc::Dial(config.conversion, {.kind = rpc::PeerKind::kService, .id = "conversion"}, tls),
      appliance, config.work_dir);
  ASSIGN_OR_RETURN(const auto metrics, MetricsServer::Start(config.metrics_listen, GODWIT_VERSION));
  metrics->Add([&](Samples& to) {
    CollectService(nullptr, tls, to);
    conversion::CollectRunner(runner.figures(), to);
  });
  std::thread work([&] { runner.Run(); });
  NotifyManager("READY=1");
  Log(Severity::kInfo, "serving", {{"port", "0"}, {"appliance", appliance.version()}});
  WaitForShutdownSignal();
  Log(Severity::kInfo, "stopping");
  NotifyManager("STOPPING=1");
  runner.Stop();
  work.join();
  return absl::OkStatus();
}

}  // namespace
}  // namespace godwit

int main(int argc, char** argv) {
  godwit::Config config;
  godwit::Flags flags("godwit-conversion-worker",
                      "Converts disks of migrated servers in throw-away machines.");
  flags.String("conversion", &config.conversion, "host:port of godwit-conversion");
  flags.String("work-dir", &config.work_dir, "folder for files of running conversions");
  flags.String("tls-dir", &config.tls_dir, "folder with tls.crt, tls.key and ca.crt");
  flags.String("metrics-listen", &config.metrics_listen, godwit::kMetricsListenHelp);
  flags.String("appliance", &config.appliance,
               "folder of the conversion appliance (default: beside the program)");
  flags.String("accelerator", &config.accelerator, "tcg, or kvm where that works");
  flags.String("master-key-file", &config.master_key_file,
               "the replication workers' keys, for disks of encrypted replicas");
  flags.String("disk-keys", &config.disk_keys,
               "folder with keys of disks that the servers themselves encrypt: LUKS-UUID.key, "
               "default.key (docs/layouts.md)");
  flags.String("windows-drivers", &config.windows.drivers,
               "folder of drivers for Windows guests (read at the start; docs/windows.md)");
  flags.String("firstboot-scripts", &config.windows.scripts,
               "folder of scripts that Windows guests run at their first boot");
  flags.String("scripts", &config.scripts,
               "folder of scripts NN-name that run in the appliance after every conversion");
  flags.Int("memory", &config.memory_mib, 256, 65536, "memory of the appliance in MiB");
  if (const auto rest = flags.Parse(argc, argv); !rest.ok()) {
    if (absl::IsCancelled(rest.status())) return 0;
    std::fprintf(stderr, "godwit-conversion-worker: %s\n",
                 std::string(rest.status().message()).c_str());
    return 2;
  }
  godwit::LeaveOutMutexChecks();
  godwit::BlockShutdownSignals();
  godwit::InitLog("conversion-worker");
  if (const absl::Status status = godwit::Run(config); !status.ok()) {
    godwit::Log(godwit::Severity::kError, "cannot run", {{"error", status.ToString()}});
    return 1;
  }
  return 0;
}
