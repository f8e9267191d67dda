// What the bench programs share: one JSON object a line on standard output, orders as lines on
// standard input.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/common/base/flags.h"

namespace godwit::bench {

// Prints `line` with "event" and "time" (seconds of the wall clock) added. Thread-safe.
void Print(const std::string& event, nlohmann::json line = nlohmann::json::object());

// User and system seconds of this process, its peak memory, and seconds by thread name.
nlohmann::json Usage();

// What a main() does: parses, blocks signals, runs, says on standard error what went wrong.
int Main(Flags& flags, int argc, char** argv, const std::function<absl::Status()>& run);

// Lines of standard input. Not thread-safe.
class Orders {
 public:
  // The words of the next line; empty after `patience`. nullopt: standard input was closed, or
  // SIGTERM or SIGINT came (they must be blocked).
  std::optional<std::vector<std::string>> Next(absl::Duration patience);

 private:
  std::string buffer_;
};

}  // namespace godwit::bench
