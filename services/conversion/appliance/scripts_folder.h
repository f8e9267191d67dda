// The operator's scripts that run inside of the appliance after every conversion.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace godwit::conversion {

struct Script {
  std::string name, text;
  int timeout_seconds = 60;
};

// The files NN-name of a folder, in order of name, at most 100 of at most 256 KiB each; "" has
// none. A line "# timeout: 5m" among the first ten sets a script's time limit (default 1m, at most
// 1h). INVALID_ARGUMENT names the file and what is wrong with it; NOT_FOUND: no such folder.
absl::StatusOr<std::vector<Script>> LoadScripts(const std::string& folder);

}  // namespace godwit::conversion
