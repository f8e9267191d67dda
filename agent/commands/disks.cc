#include <unistd.h>

#include <cstdio>

#include "agent/commands/commands.h"
#include "agent/commands/source_disks.h"
#include "services/common/base/flags.h"

namespace godwit::agent {

int Disks(int argc, const char* const* argv) {
  Flags flags("godwit-agent disks forget DISK",
              "Says that a replicated disk of this machine is gone for good: replication goes on "
              "with the others, and points made so far keep it. DISK: its device or id, as "
              "\"godwit-agent status\" shows them.");
  const auto arguments = flags.Parse(argc, argv);
  if (absl::IsCancelled(arguments.status())) return 0;
  if (!arguments.ok() || arguments->size() != 2 || arguments->front() != "forget") {
    std::fprintf(stderr, "godwit-agent disks: %s\n",
                 arguments.ok() ? "usage: godwit-agent disks forget DISK"
                                : std::string(arguments.status().message()).c_str());
    return 2;
  }
  if (geteuid() != 0) {
    std::fprintf(stderr, "godwit-agent disks: run this as root\n");
    return 1;
  }
  const absl::StatusOr<std::string> id = ForgetGoneDisk(Places(), arguments->back());
  if (id.ok()) {
    std::printf("%s is no longer replicated; the agent goes on with the other disks\n",
                id->c_str());
    return 0;
  }
  std::fprintf(stderr, "godwit-agent disks: %s\n", std::string(id.status().message()).c_str());
  return absl::IsNotFound(id.status()) && !LoadInstallation().ok() ? 3 : 1;
}

}  // namespace godwit::agent
