// godwit-agent: replicates the disks of the machine it runs on. One static program without needs.
#include <cstdio>
#include <cstring>

#include "agent/commands/commands.h"
#include "services/common/base/process.h"
#include "services/common/base/version.h"

namespace {

constexpr char kUsage[] =
    "godwit-agent: replicates the disks of this machine to a Godwit installation.\n"
    "\n"
    "  godwit-agent install    enrol this machine and start replication\n"
    "  godwit-agent run        replicate (what the systemd unit starts)\n"
    "  godwit-agent status     show what it does\n"
    "  godwit-agent disks      say that a replicated disk is gone\n"
    "  godwit-agent uninstall  remove it\n"
    "\n"
    "\"godwit-agent COMMAND --help\" lists the options.\n";

}  // namespace

int main(int argc, char** argv) {
  godwit::TuneProcess();
  using Command = int (*)(int, const char* const*);
  struct {
    const char* name;
    Command run;
  } const commands[] = {{"install", godwit::agent::Install},
                        {"run", godwit::agent::Run},
                        {"status", godwit::agent::Status},
                        {"disks", godwit::agent::Disks},
                        {"uninstall", godwit::agent::Uninstall}};
  const char* const wanted = argc > 1 ? argv[1] : "";
  for (const auto& command : commands) {
    if (std::strcmp(wanted, command.name) == 0) return command.run(argc - 1, argv + 1);
  }
  if (std::strcmp(wanted, "--version") == 0) {
    std::printf("godwit-agent %s\n", godwit::Version());
    return 0;
  }
  const bool help = std::strcmp(wanted, "--help") == 0 || std::strcmp(wanted, "help") == 0;
  std::fputs(kUsage, help ? stdout : stderr);
  if (!help && *wanted != '\0') std::fprintf(stderr, "\nunknown command \"%s\"\n", wanted);
  return help ? 0 : 2;
}
