// Typed errors of steps: what the runner does next depends on the class, never on the text.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace godwit::jobs {

enum class ErrorClass {
  kRetryable,  // try the step again after a backoff
  kPermanent,  // undo and fail
  kCancelled,  // the user asked: undo and end as cancelled
  kLostLease,  // another runner owns the run: drop it silently
  kWaiting,    // somebody else is not done: go on after a pause, without a runner meanwhile
  kStopping,   // this process shuts down: give the run back at once
};

// UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL and UNKNOWN are retryable;
// the marked ones below are what they say; all others are permanent. `status` is not OK.
ErrorClass Classify(const absl::Status& status);

absl::Status LostLease();
absl::Status Stopping();
// The step cannot go on before `why` is over; it is asked again after `pause`.
absl::Status Waiting(absl::Duration pause, absl::string_view why);
absl::Duration PauseOf(const absl::Status& waiting);
absl::Status CancelRequested();
// The same code and text, but never retried.
absl::Status Permanent(absl::Status status);

// An error about another job, "job-...": who is in the way. Empty when there is none.
absl::Status WithJob(absl::Status status, absl::string_view job_id);
std::string JobOf(const absl::Status& status);
// The stable word an error text begins with ("NO_BOOTABLE_DEVICE: ..."), also after "step x: ";
// empty when there is none.
std::string ReasonOf(absl::string_view message);

}  // namespace godwit::jobs
