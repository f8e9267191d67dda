// How many jobs there may be at once. Defaults are those that AWS publishes for MGN. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "services/common/base/quota.h"
#include "services/jobs/domain/job.h"

namespace godwit::jobs {

// What a request can name at all, whatever the quotas say.
inline constexpr int kMostServersOfJob = 200;

struct JobQuotas {
  std::int64_t concurrent_jobs = 20;
  std::int64_t servers_in_jobs = 200;  // over all jobs that have not ended
  std::int64_t servers_of_job = kMostServersOfJob;
  // Clean-ups, preflights and others that MGN does not know: a bound, no quota.
  std::int64_t other_jobs = 1000;
};

// Jobs with servers whose part has not ended, and these servers.
struct JobUse {
  std::int64_t jobs = 0, servers = 0;
  std::int64_t other_jobs = 0;
};

// Launches and terminations count towards the quotas, as MGN's jobs do.
constexpr bool IsCounted(JobType type) { return IsLaunch(type) || type == JobType::kTerminate; }

// The quotas with what is used of them now.
std::vector<Quota> QuotasOfJobs(const JobQuotas& quotas, const JobUse& used);
// Whether a job of `type` with `servers` fits. RESOURCE_EXHAUSTED (services/common/base/quota.h).
absl::Status CheckJobQuotas(const JobQuotas& quotas, const JobUse& used, JobType type,
                            std::int64_t servers);

}  // namespace godwit::jobs
