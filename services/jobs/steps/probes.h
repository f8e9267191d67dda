// Looking at a machine from outside, through its forwarded ports. What answers is the guest:
// bounded, never trusted.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/jobs/domain/settings.h"

namespace godwit::jobs {

// One TCP connection to "host:port" that stays open a moment. A user-mode network accepts before
// the guest does: one that is closed at once was refused by the guest, and whether the guest took
// one that stays open is `taken`'s to say, which is asked while it is open. UNAVAILABLE: not (yet).
absl::Status ProbeTcp(const std::string& endpoint, absl::Duration timeout,
                      const std::function<absl::StatusOr<bool>()>& taken = nullptr);
// What ProbeTcp and ProbeHttp say when the guest's network answered that nobody listens.
inline constexpr char kClosedAtOnce[] = "closed at once";

// One GET. OK gives "HTTP 200, 612 bytes"; UNAVAILABLE says what was wrong.
absl::StatusOr<std::string> ProbeHttp(const std::string& endpoint, const HttpCheck& check,
                                      absl::Duration timeout);

}  // namespace godwit::jobs
