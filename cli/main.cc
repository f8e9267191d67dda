// godwit: the command line. docs/cli.md describes it.
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <thread>

#include "cli/command.h"
#include "cli/context.h"
#include "cli/errors.h"
#include "services/common/base/clock.h"
#include "services/common/base/signals.h"

namespace {

constexpr int kInterrupted = 130;

// A terminal's unfinished progress line is ended; what was started goes on at the services.
void EndWhenInterrupted(bool terminal) {
  std::thread([terminal] {
    if (!godwit::WaitForShutdownSignal()) return;
    if (terminal && write(STDERR_FILENO, "\n", 1) < 0) _exit(kInterrupted);
    _exit(kInterrupted);
  }).detach();
}

}  // namespace

int main(int argc, char** argv) {
  godwit::BlockShutdownSignals();
  // `godwit servers watch | head -1` ends with its reader.
  std::signal(SIGPIPE, SIG_DFL);
  const bool terminal = isatty(STDERR_FILENO) == 1;
  EndWhenInterrupted(terminal);
  godwit::cli::Context context(std::cout, std::cerr, terminal, godwit::RealClock());
  const absl::Status status =
      godwit::cli::RunCommandLine(context, std::vector<std::string>(argv + 1, argv + argc));
  if (!status.ok()) {
    std::cout.flush();
    godwit::cli::PrintError(context, status);
    return godwit::cli::ExitCodeOf(status);
  }
  std::cout.flush();
  if (!std::cout) {
    std::cerr << "error: standard output cannot be written\n";
    return godwit::cli::kInternal;
  }
  return godwit::cli::kDone;
}
