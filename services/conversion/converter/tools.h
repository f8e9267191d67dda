// Programs of the appliance: each gets a time, what it prints is bounded, secrets go by its
// standard input.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace godwit::convert {

struct ToolOptions {
  absl::Duration patience = absl::Minutes(10);
  std::string input;     // its standard input; never printed
  bool capture = false;  // keep what it prints to standard output instead of showing it
};
struct ToolResult {
  int code = 0;        // exit status; 128 + signal when it was killed
  std::string output;  // at most 1 MiB
};

// NOT_FOUND: there is no such program. DEADLINE_EXCEEDED: it was killed. RESOURCE_EXHAUSTED: it
// prints more than 1 MiB. What it prints to its standard error goes to the console.
absl::StatusOr<ToolResult> RunTool(const std::vector<std::string>& command,
                                   const ToolOptions& options);

// Its exit code.
absl::StatusOr<int> RunTool(const std::vector<std::string>& command);

// For those that must succeed: INTERNAL, "`name` ended with ...", with what it prints.
absl::Status RunTo(const std::string& name, const std::vector<std::string>& command,
                   const std::string& input);

}  // namespace godwit::convert
