#include "services/jobs/storage/wave_figures.h"

#include "services/common/base/status_macros.h"

namespace godwit::jobs {
namespace {

constexpr pg::Statement kRuns = {
    "wave_count",
    "SELECT kind, state, count(*) FROM jobs.wave_run GROUP BY kind, state ORDER BY kind, state"};
constexpr pg::Statement kOldest = {
    "wave_oldest",
    "SELECT coalesce(extract(epoch FROM now() - min(g.check_start)), 0),"
    " coalesce(extract(epoch FROM now() - min(w.state_time) FILTER (WHERE w.state = 3)), 0),"
    " coalesce(extract(epoch FROM now() - min(w.state_time) FILTER (WHERE w.state = 4)), 0) "
    "FROM jobs.wave_run w LEFT JOIN jobs.wave_group g ON g.run_id = w.run_id AND g.state = 3"
    " AND NOT g.checks_passed AND w.state = 2 WHERE w.state BETWEEN 2 AND 4"};

}  // namespace

absl::StatusOr<WaveFigures> CountWaveRuns(pg::Pool& pool) {
  WaveFigures figures;
  ASSIGN_OR_RETURN(const pg::Result runs, pool.Exec(kRuns));
  for (int row = 0; row < runs.rows(); ++row) {
    figures.runs.push_back({.kind = static_cast<WaveKind>(runs.Int(row, 0)),
                            .state = static_cast<WaveState>(runs.Int(row, 1)),
                            .count = runs.Int(row, 2)});
  }
  ASSIGN_OR_RETURN(const pg::Result oldest, pool.Exec(kOldest));
  figures.oldest_gate = absl::Seconds(oldest.Double(0, 0));
  figures.oldest_approval = absl::Seconds(oldest.Double(0, 1));
  figures.oldest_stopped = absl::Seconds(oldest.Double(0, 2));
  return figures;
}

}  // namespace godwit::jobs
