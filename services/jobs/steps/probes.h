// Looking at a machine from outside, through its forwarded ports. What answers is the guest:
// bounded, never trusted.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/jobs/domain/settings.h"

namespace godwit::jobs {

// One TCP connection to "host:port" that stays open a moment. A user-mode network accepts before
// the guest does: a connection that is closed at once was not answered by the guest. UNAVAILABLE:
// not (yet).
absl::Status ProbeTcp(const std::string& endpoint, absl::Duration timeout);

// One GET. OK gives "HTTP 200, 612 bytes"; UNAVAILABLE says what was wrong.
absl::StatusOr<std::string> ProbeHttp(const std::string& endpoint, const HttpCheck& check,
                                      absl::Duration timeout);

}  // namespace godwit::jobs
