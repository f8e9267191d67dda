// Quiesce hooks: programs of the source's owner that bring applications to rest before a cut and
// start them again after it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace godwit::agent {

// Runs the executable files of `folder` in the order of their names, one after the other, each at
// most `limit` (it is then killed with all its children). FAILED_PRECONDITION names the one that
// failed and the end of what it printed. A folder that is missing or empty is OK.
absl::Status RunHooks(const std::string& folder, absl::Duration limit);

}  // namespace godwit::agent
