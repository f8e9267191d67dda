// Takes one leased run as far as it goes: forward through its plan, or back through the undos, to
// its end; or until it must be tried later, is lost, or the process stops.
#pragma once

#include <atomic>
#include <map>

#include "services/common/base/clock.h"
#include "services/jobs/app/job_store.h"
#include "services/jobs/runner/lease.h"
#include "services/jobs/runner/step.h"

namespace godwit::jobs {

using Plans = std::map<JobType, Plan>;

// A run that makes its runner die this often at one place is given up (undone, failed).
inline constexpr int kMostCrashes = 8;

// All references must outlive it. Stateless: many threads may use one.
class Executor {
 public:
  Executor(JobStore& store, Clock& clock, const Plans& plans, const std::atomic<bool>& stopping)
      : store_(store), clock_(clock), plans_(plans), stopping_(stopping) {}

  // Works on `run` under `lease`. The status is for the log only: the run's fate is in the store.
  absl::Status Execute(Run run, const HeldLease& lease);

 private:
  absl::Status Forward(const Plan& plan, Run& run, const HeldLease& lease);
  absl::Status RunStep(const Step& step, int index, Run& run, const HeldLease& lease,
                       StepResult* result);
  absl::Status HandleFailure(const Plan& plan, Run& run, const HeldLease& lease,
                             const absl::Status& error);
  absl::Status Back(const Plan& plan, Run& run, const HeldLease& lease);
  absl::Status Report(const Plan& plan, Run& run, const HeldLease& lease);
  // After an error that ends this attempt for now. OK: it was handled, the lease is given back.
  absl::Status Later(const Run& run, const HeldLease& lease, const RetryPolicy& policy,
                     const absl::Status& error);

  JobStore& store_;
  Clock& clock_;
  const Plans& plans_;
  const std::atomic<bool>& stopping_;
};

}  // namespace godwit::jobs
