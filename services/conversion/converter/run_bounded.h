// Runs programs of the appliance with limits: time, output, and everything that they started ends
// with them.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace godwit::convert {

struct BoundedRun {
  int exit_code = 0;       // 128 + signal
  bool timed_out = false;  // it and all its children were killed
  std::string output;      // standard output and error, the first `max_output` bytes
  absl::Duration took;
};

struct RunLimits {
  absl::Duration timeout = absl::Minutes(5);
  std::size_t max_output = 64 << 10;
  // In a process namespace of its own (needs root), so that nothing outlives it, and first to go
  // when memory ends.
  bool isolated = false;
  std::string root;  // chroot; empty: none
};

// NOT_FOUND and so on when it cannot be started. `input` is its standard input (at most 64 KiB).
absl::StatusOr<BoundedRun> RunBounded(const std::vector<std::string>& command,
                                      const std::vector<std::string>& environment,
                                      const std::string& input, const RunLimits& limits);

// For tools that must succeed: INTERNAL with what they print.
absl::Status RunTo(const std::string& name, const std::vector<std::string>& command,
                   const std::string& input);

}  // namespace godwit::convert
