// The plan of each job type.
#pragma once

#include "services/jobs/runner/executor.h"
#include "services/jobs/steps/environment.h"

namespace godwit::jobs {

// Test and cutover launch, terminate, clean-up. `environment` must outlive the plans.
Plans MakePlans(const Environment& environment);

}  // namespace godwit::jobs
