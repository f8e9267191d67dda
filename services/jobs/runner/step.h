// One step of a plan. Steps are stateless and shared by all runners; what they know is in the
// context.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/jobs/domain/backoff.h"
#include "services/jobs/domain/job.h"
#include "services/jobs/runner/context.h"

namespace godwit::jobs {

struct StepOptions {
  RetryPolicy retry;
  absl::Duration timeout = absl::Minutes(10);  // of one attempt
  bool commit_point = false;                   // from its begin on the job cannot be cancelled
};

class Step {
 public:
  virtual ~Step() = default;
  // Stable, stored with jobs.
  virtual absl::string_view name() const = 0;
  virtual StepOptions options(const Run& run) const = 0;
  // Log lines written when the step first begins and when it failed for good.
  virtual std::vector<LogLine> OnBegin(const Run&) const { return {}; }
  virtual std::vector<LogLine> OnFailure(const Run&, const absl::Status&) const { return {}; }
  // Idempotent: may have run before, in part or whole. Leaves facts in the context's result.
  virtual absl::Status Do(StepContext& context) = 0;
  // Removes what Do made; must accept that Do never got to make it.
  virtual absl::Status Undo(StepContext&) { return absl::OkStatus(); }
};

// The steps of one job type, in order.
struct Plan {
  JobType type = JobType::kTestLaunch;
  std::vector<std::unique_ptr<Step>> steps;
  // Done when the run failed or was cancelled and all it made is gone; may be null.
  std::unique_ptr<Step> on_failure;

  std::vector<std::string> StepNames() const {
    std::vector<std::string> names;
    for (const auto& step : steps) names.emplace_back(step->name());
    return names;
  }
};

}  // namespace godwit::jobs
