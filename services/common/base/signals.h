// Clean shutdown: SIGINT and SIGTERM become something a main() can wait for.
#pragma once

#include "absl/time/time.h"

namespace godwit {

// Call first thing in main(), before any thread starts: blocks SIGINT and SIGTERM (all later
// threads inherit that) and ignores SIGPIPE.
void BlockShutdownSignals();

// Waits for SIGINT or SIGTERM, at most `timeout`. True when one came.
bool WaitForShutdownSignal(absl::Duration timeout = absl::InfiniteDuration());

}  // namespace godwit
