#include <unistd.h>

#include <cstdio>

#include "agent/commands/commands.h"
#include "agent/commands/system.h"
#include "agent/state/installation.h"
#include "services/common/base/flags.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace {

absl::Status Remove() {
  if (geteuid() != 0) return absl::PermissionDeniedError("run this as root");
  const auto installation = LoadInstallation();
  if (HasSystemd()) Systemctl({"stop", "godwit-agent.service"}).IgnoreError();
  RETURN_IF_ERROR(RemoveProgram());
  if (installation.ok()) {
    std::printf("removed. The registry still has %s: end it with \"godwit disconnect %s\".\n",
                installation->server.c_str(), installation->server.c_str());
  } else {
    std::printf("nothing was installed; leftovers, if any, are gone\n");
  }
  return absl::OkStatus();
}

}  // namespace

int Uninstall(int argc, const char* const* argv) {
  Flags flags(
      "godwit-agent uninstall",
      "Stops replication and removes the agent from this machine. Hooks in /etc/godwit stay.");
  if (const auto rest = flags.Parse(argc, argv); !rest.ok()) {
    if (absl::IsCancelled(rest.status())) return 0;
    std::fprintf(stderr, "godwit-agent uninstall: %s\n",
                 std::string(rest.status().message()).c_str());
    return 2;
  }
  const absl::Status status = Remove();
  if (!status.ok())
    std::fprintf(stderr, "godwit-agent uninstall: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace godwit::agent
