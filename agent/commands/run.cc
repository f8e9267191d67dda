#include <cstdio>

#include "agent/commands/commands.h"
#include "agent/commands/service.h"
#include "agent/commands/source_disks.h"
#include "agent/commands/system.h"
#include "services/common/base/flags.h"
#include "services/common/base/json_log.h"
#include "services/common/base/mutex_checks.h"
#include "services/common/base/signals.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace {

absl::Status RunService(bool* removed) {
  // Forks, so it comes before any thread.
  ASSIGN_OR_RETURN(std::unique_ptr<Freezer> freezer, Freezer::Start());
  ASSIGN_OR_RETURN(Installation installation, LoadInstallation());
  ASSIGN_OR_RETURN(rpc::TlsMaterial tls, rpc::LoadTls(TlsFolder()));
  Log(Severity::kInfo, "starting", {{"server", installation.server}});
  Service service(std::move(installation), std::move(tls), std::move(freezer), Places());
  return service.Run(removed);
}

}  // namespace

int Run(int argc, const char* const* argv) {
  Flags flags("godwit-agent run",
              "Replicates this machine until it is stopped. Started by systemd.");
  if (const auto rest = flags.Parse(argc, argv); !rest.ok()) {
    if (absl::IsCancelled(rest.status())) return 0;
    std::fprintf(stderr, "godwit-agent run: %s\n", std::string(rest.status().message()).c_str());
    return 2;
  }
  LeaveOutMutexChecks();
  BlockShutdownSignals();
  InitLog("agent");
  bool removed = false;
  absl::Status status = RunService(&removed);
  if (status.ok() && removed) {
    Log(Severity::kInfo, "the migration is over: the agent removes itself");
    status = RemoveProgram();
  }
  if (!status.ok()) Log(Severity::kError, "cannot run", {{"error", status.ToString()}});
  return status.ok() ? 0 : absl::IsNotFound(status) ? 3 : 1;
}

}  // namespace godwit::agent
