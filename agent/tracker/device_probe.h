// What kind of device and kernel this is, found out by looking: never by a name or a version.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/tracker/ebpf_tracker.h"

namespace godwit::agent {

// What sysfs says: a device with request queues has a folder for them. To be verified by reading
// (ReadOnce) and seeing what comes back.
CompletionKind GuessCompletions(const TrackedDevice& device);

// Reads the first 4096 bytes past the page cache.
absl::Status ReadOnce(const TrackedDevice& device);

// Waits until nothing is under way on the device, at most for `patience`.
void AwaitIdle(const TrackedDevice& device, absl::Duration patience);

// How many arguments the kernel gives to programs of a tracepoint ("block_bio_queue"); 0 when that
// cannot be known.
int TracepointArguments(const std::string& name);

}  // namespace godwit::agent
