#include "services/jobs/domain/job.h"

namespace godwit::jobs {

JobState Aggregate(const std::vector<RunState>& runs, bool cancel_requested) {
  bool all_ended = true, any_failed = false, any_cancelled = false, any_begun = false;
  for (const RunState state : runs) {
    all_ended &= Ended(state);
    any_failed |= state == RunState::kFailed;
    any_cancelled |= state == RunState::kCancelled;
    any_begun |= state != RunState::kReady;
  }
  if (all_ended) {
    if (any_failed) return JobState::kFailed;
    return any_cancelled ? JobState::kCancelled : JobState::kSucceeded;
  }
  if (cancel_requested) return JobState::kCancelling;
  return any_begun ? JobState::kRunning : JobState::kPending;
}

}  // namespace godwit::jobs
