// Reads of services that run in several copies: what one copy did not answer, because it stops or
// was killed, is asked once more; the connection gives the next copy then.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace godwit::gateway {

// Whether a request only reads, by the name of its message: "GetJobRequest", "ListJobsRequest".
bool OnlyReads(absl::string_view request);

// Whether another copy may answer what one did not: UNAVAILABLE, CANCELLED (it stops), ABORTED, and
// UNKNOWN (the connection broke). Not DEADLINE_EXCEEDED: no time is left.
bool AnotherMayAnswer(const absl::Status& status);

// Makes the call, and once more when another copy may answer and it is not later than `deadline`
// (of SteadyNow()). Each call must keep to the deadline itself and begin anew. What the last one
// said. Waits at most 100 ms besides the calls.
absl::Status TryTwice(absl::Time deadline, const std::function<absl::Status()>& call);

}  // namespace godwit::gateway
