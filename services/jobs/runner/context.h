// What a step sees while it runs. Used by one thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/common/base/clock.h"
#include "services/jobs/app/job_store.h"
#include "services/jobs/runner/lease.h"

namespace godwit::jobs {

class StepContext {
 public:
  // `run` and all references must outlive it. While undoing, a cancel request interrupts nothing.
  StepContext(JobStore& store, Clock& clock, Run& run, int step, const HeldLease& lease,
              const std::atomic<bool>& stopping, absl::Duration timeout, bool undoing);

  const Run& run() const { return run_; }
  std::int64_t epoch() const { return run_.epoch; }
  // A fact of this or an earlier step; empty when there is none.
  std::string Get(const std::string& key) const;
  void Set(const std::string& key, std::string value) { run_.outputs[key] = std::move(value); }
  // Makes the facts durable now, and shows what the step is doing. Fails with lost-lease.
  absl::Status Save(const std::string& message, std::int64_t done_bytes = 0,
                    std::int64_t total_bytes = 0);
  absl::Status Log(LogLine line);
  // Keeps the machine's screen (PNG, at most 2 MiB) with the run, in place of an earlier one.
  absl::Status SaveScreenshot(const std::string& png);
  // Why to stop now: lost lease, shutdown, cancel, time limit; else OK. Ask before every effect.
  absl::Status Check() const;
  // Sleeps in slices; fails as Check does.
  absl::Status Sleep(absl::Duration duration) const;
  // Time left for the step.
  absl::Duration Left() const { return deadline_ - clock_.Monotonic(); }
  Clock& clock() { return clock_; }

  // Goes with the completion of the step.
  StepResult result;

 private:
  JobStore& store_;
  Clock& clock_;
  Run& run_;
  const int step_;
  const HeldLease& lease_;
  const std::atomic<bool>& stopping_;
  const absl::Duration deadline_;
  const bool undoing_;
};

}  // namespace godwit::jobs
