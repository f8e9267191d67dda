// What names of this service stand for, for scopes (services/common/rpc/scope.h).
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/jobs/storage/pg_job_store.h"
#include "services/jobs/storage/pg_wave_store.h"

namespace godwit::jobs {

// "jobs/job-...": its servers; "waveRuns/wr-...": its wave; "i-..." (a machine): the server that it
// was made of. As full names; none, or NOT_FOUND: there is no such thing. Thread-safe.
absl::StatusOr<std::vector<std::string>> ScopeNamesOf(PgJobStore& jobs, PgWaveStore& waves,
                                                      const std::string& name);

}  // namespace godwit::jobs
