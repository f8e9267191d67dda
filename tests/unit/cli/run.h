// Runs a command line in this process and keeps what it printed.
#pragma once

#include <cstdlib>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cli/command.h"
#include "cli/context.h"
#include "cli/errors.h"
#include "services/common/base/clock.h"

namespace godwit::cli {

struct Ran {
  int exit_code = 0;
  std::string out, err;
};

// Without the configuration file of whoever runs the tests.
inline Ran Godwit(std::vector<std::string> arguments) {
  unsetenv("GODWIT_CONFIG");
  setenv("HOME", "/nonexistent", 1);
  std::ostringstream out, err;
  Context context(out, err, false, RealClock());
  const absl::Status status = RunCommandLine(context, std::move(arguments));
  if (!status.ok()) PrintError(context, status);
  return {.exit_code = ExitCodeOf(status), .out = out.str(), .err = err.str()};
}

}  // namespace godwit::cli
