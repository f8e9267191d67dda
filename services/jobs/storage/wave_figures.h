// Counts of wave runs for metrics.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/pg/pool.h"
#include "services/jobs/domain/wave_run.h"

namespace godwit::jobs {

struct WaveRunCount {
  WaveKind kind = WaveKind::kTest;
  WaveState state = WaveState::kPending;
  std::int64_t count = 0;
};
struct WaveFigures {
  std::vector<WaveRunCount> runs;  // that are stored
  // How long the first one has waited: a group whose checks do not hold yet, a run for an approval,
  // a stopped run for somebody to resume or cancel it. Zero where none waits.
  absl::Duration oldest_gate, oldest_approval, oldest_stopped;
};
absl::StatusOr<WaveFigures> CountWaveRuns(pg::Pool& pool);

}  // namespace godwit::jobs
