// Rows of wave runs: loaded, compared, saved.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/common/pg/connection.h"
#include "services/jobs/domain/wave_run.h"

// Columns of WaveRunFromRow, of table jobs.wave_run named w.
#define GODWIT_WAVE_RUN_COLUMNS                                                             \
  "w.run_id, w.key, w.kind, w.state, w.reason, w.wave, w.wave_name, w.initiated_by, "       \
  "w.options, w.request, w.leave_jobs, (extract(epoch FROM w.create_time) * 1e6)::bigint, " \
  "(extract(epoch FROM w.start_time) * 1e6)::bigint, "                                      \
  "(extract(epoch FROM w.state_time) * 1e6)::bigint, "                                      \
  "(extract(epoch FROM w.end_time) * 1e6)::bigint, w.version"

namespace godwit::jobs {

// Without groups; `key` is the key for paging.
absl::StatusOr<WaveRun> WaveRunFromRow(const pg::Result& rows, int row, std::int64_t* key);
// Puts the groups with their members in.
absl::Status LoadGroups(pg::Connection& connection, WaveRun* run);
// Rows of a new run's groups and members.
absl::Status InsertGroups(pg::Transaction& transaction, const WaveRun& run);
// Writes what differs; raises the version when anything does or there are events.
absl::Status SaveWaveRun(pg::Transaction& transaction, const WaveRun& before, const WaveRun& after,
                         const std::vector<WaveEvent>& events);
absl::Status AppendWaveEvents(pg::Transaction& transaction, const std::string& run_id,
                              const std::vector<WaveEvent>& events);

}  // namespace godwit::jobs
