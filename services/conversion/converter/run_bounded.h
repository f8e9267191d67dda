// Runs programs of the appliance with limits: time, output, and (unless it is wanted) everything
// that they started ends with them.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace godwit::convert {

struct BoundedRun {
  int exit_code = 0;       // 128 + signal
  bool timed_out = false;  // it and all its children were killed
  bool too_much = false;   // it printed more than `max_output`
  std::string output;      // what was kept, the first `max_output` bytes
  absl::Duration took;
};

struct RunLimits {
  absl::Duration timeout = absl::Minutes(5);
  std::size_t max_output = 64 << 10;
  // What of its output is kept; the rest goes to the console.
  enum class Keep { kAll, kStandardOutput, kNothing } keep = Keep::kAll;
  bool end_when_too_much = false;  // kill it then
  // What it started and left behind in the background stays (a FUSE server, for example).
  bool keep_background = false;
  // In a process namespace of its own (needs root), so that nothing outlives it, and first to go
  // when memory ends.
  bool isolated = false;
  std::string root;  // chroot; empty: none
};

// Exit code 127: there is no such program. `input` is its standard input (less than 64 KiB).
absl::StatusOr<BoundedRun> RunBounded(const std::vector<std::string>& command,
                                      const std::vector<std::string>& environment,
                                      const std::string& input, const RunLimits& limits);

}  // namespace godwit::convert
