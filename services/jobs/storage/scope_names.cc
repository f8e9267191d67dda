#include "services/jobs/storage/scope_names.h"

#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"

namespace godwit::jobs {

absl::StatusOr<std::vector<std::string>> ScopeNamesOf(PgJobStore& jobs, PgWaveStore& waves,
                                                      const std::string& name) {
  const absl::StatusOr<std::string> job = ParseName("name", "jobs", "job-", name);
  if (job.ok()) {
    ASSIGN_OR_RETURN(std::vector<std::string> names, jobs.ServersOf(*job));
    for (std::string& server : names) server = absl::StrCat("sourceServers/", server);
    return names;
  }
  const absl::StatusOr<std::string> run = ParseName("name", "waveRuns", "wr-", name);
  if (run.ok()) {
    ASSIGN_OR_RETURN(const std::string wave, waves.WaveOf(*run));
    return std::vector<std::string>{absl::StrCat("waves/", wave)};
  }
  RETURN_IF_ERROR(CheckId("name", "i-", name));
  ASSIGN_OR_RETURN(const Run launch, jobs.FindMachine(name));
  return std::vector<std::string>{absl::StrCat("sourceServers/", launch.input.server)};
}

}  // namespace godwit::jobs
