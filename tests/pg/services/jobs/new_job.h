// Jobs as the tests of the store make them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "services/common/base/ids.h"
#include "services/jobs/app/job_store.h"

namespace godwit::jobs {

inline NewJob MakeJob(std::vector<std::string> servers, JobType type = JobType::kTestLaunch,
                      std::vector<std::string> steps = {"first", "second"}) {
  NewJob job{.job_id = NewId("job-"),
             .request_id = NewUuid(),
             .request_hash = "h",
             .type = type,
             .initiated_by = "user/operator/alice",
             .steps = std::move(steps),
             .plan_version = kPlanVersion};
  for (std::string& server : servers) job.servers.push_back({.server = std::move(server)});
  return job;
}

inline std::vector<std::string> NewServers(int count) {
  std::vector<std::string> servers;
  for (int i = 0; i < count; ++i) servers.push_back(NewId("s-"));
  return servers;
}

inline Lease LeaseOf(const Run& run) { return {.run_id = run.id, .epoch = run.epoch}; }

}  // namespace godwit::jobs
