// Short helper programs: with a deadline, bounded output, and never outliving who started them.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace godwit {

struct CommandResult {
  int exit_code = -1;
  std::string output;  // standard output and error, at most 64 KiB
};
// Runs argv[0] (searched in PATH) with no input. A non-zero exit is not an error of this function.
// DEADLINE_EXCEEDED: it was killed after `timeout`. NOT_FOUND: no such program. `check`, when set,
// is asked several times a second; its error ends the program and is given back. The program keeps
// `inherited_fd`. `on_output`, when set, sees all output as it comes.
absl::StatusOr<CommandResult> RunCommand(
    const std::vector<std::string>& argv, absl::Duration timeout,
    const std::function<absl::Status()>& check = nullptr, int inherited_fd = -1,
    const std::function<void(absl::string_view)>& on_output = nullptr);

// As exec wants them; they point into `argv`.
std::vector<char*> ArgumentPointers(const std::vector<std::string>& argv);

// In a child, after fork: becomes arguments[0] (searched in PATH) with no input, its output to
// `output`, default signal handling and no other descriptors than `kept`. Async-signal-safe.
[[noreturn]] void ExecChild(char* const* arguments, int output, const int* kept, std::size_t count);

}  // namespace godwit
