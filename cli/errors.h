// Exit codes and what is printed when a command fails. The table of codes is in docs/cli.md.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "cli/context.h"

namespace godwit::cli {

enum ExitCode {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kNotFound = 3,
  kRefused = 4,
  kUnavailable = 5,
  kNotPermitted = 6,
  kTimedOut = 7,
  kInternal = 8,
};

// The operation or job ended, but not well.
absl::Status OperationFailed(absl::string_view message);
// A comparison found differences: ends with 2, nothing more is printed.
absl::Status Differs();
// Help was printed; not an error.
absl::Status HelpPrinted();

ExitCode ExitCodeOf(const absl::Status& status);

// The command that makes the call named in metadata "helpful_call"; empty when there is none.
// `server` may be empty.
std::string HelpfulCommand(absl::string_view call, absl::string_view server);

// Prints the failure to context.err(), as text or JSON.
void PrintError(Context& context, const absl::Status& status);

}  // namespace godwit::cli
