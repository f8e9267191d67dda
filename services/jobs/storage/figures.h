// Counts for metrics.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/pg/pool.h"
#include "services/jobs/domain/job.h"

namespace godwit::jobs {

struct JobCount {
  JobType type = JobType::kTestLaunch;
  JobState state = JobState::kPending;
  std::int64_t count = 0;
};
struct JobFigures {
  std::vector<JobCount> jobs;  // that are stored
  std::int64_t due = 0;        // runs that wait for a runner
  absl::Duration oldest_due;   // the longest wait of these
  std::int64_t machines = 0;   // launched and not removed
  std::int64_t stuck = 0;      // runs that need an operator
};
absl::StatusOr<JobFigures> CountJobs(pg::Pool& pool);

}  // namespace godwit::jobs
