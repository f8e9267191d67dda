#include "services/jobs/runner/context.h"

#include <algorithm>

#include "services/common/base/status_macros.h"
#include "services/jobs/domain/errors.h"

namespace godwit::jobs {

StepContext::StepContext(JobStore& store, Clock& clock, Run& run, int step, const HeldLease& lease,
                         const std::atomic<bool>& stopping, absl::Duration timeout, bool undoing)
    : store_(store),
      clock_(clock),
      run_(run),
      step_(step),
      lease_(lease),
      stopping_(stopping),
      deadline_(clock.Monotonic() + timeout),
      undoing_(undoing) {}

std::string StepContext::Get(const std::string& key) const {
  const auto found = run_.outputs.find(key);
  return found == run_.outputs.end() ? "" : found->second;
}

absl::Status StepContext::Save(const std::string& message, std::int64_t done_bytes,
                               std::int64_t total_bytes) {
  return store_.SaveProgress(lease_.lease(), step_, run_.outputs, message, done_bytes, total_bytes);
}

absl::Status StepContext::SaveScreenshot(const std::string& png) {
  return store_.SaveScreenshot(lease_.lease(), png);
}

absl::Status StepContext::Log(LogLine line) { return store_.AddLog(lease_.lease(), {line}); }

absl::Status StepContext::Check() const {
  if (lease_.Lost()) return LostLease();
  if (stopping_) return Stopping();
  if (!undoing_ && !run_.committed && lease_.CancelRequested()) return CancelRequested();
  if (Left() <= absl::ZeroDuration()) return absl::DeadlineExceededError("the step took too long");
  return absl::OkStatus();
}

absl::Status StepContext::Sleep(absl::Duration duration) const {
  const absl::Duration end = clock_.Monotonic() + duration;
  while (true) {
    RETURN_IF_ERROR(Check());
    const absl::Duration left = end - clock_.Monotonic();
    if (left <= absl::ZeroDuration()) return absl::OkStatus();
    clock_.Sleep(std::min(left, absl::Milliseconds(100)));
  }
}

}  // namespace godwit::jobs
