// Names what holds replication up, from the times that agent and worker measured.
#pragma once

#include <array>
#include <optional>

#include "absl/time/time.h"
#include "godwit/replication/v1/replication.pb.h"

namespace godwit::agent {

// What the worker did for this server.
struct WorkerWork {
  absl::Duration verify, write, sync, turn, limit, database;
  WorkerWork& operator+=(const WorkerWork& other);
  // All that an agent may have waited for.
  absl::Duration total() const { return verify + write + sync + turn + limit; }
};

// Times of one span.
struct StageTimes {
  using Stage = replication::v1::Bottleneck::Stage;
  absl::Duration elapsed;
  // Of stages that the agent sees for itself, by their number.
  std::array<absl::Duration, replication::v1::Bottleneck::Stage_ARRAYSIZE> own{};
  // It waited for the line, or for the worker to take or commit what it has. Each may be because of
  // the other: a worker that does not read fills the line, and an answer needs it.
  absl::Duration line, worker;
  std::optional<WorkerWork> work;  // nullopt: the worker does not tell
};

// The stage that took most of the time, with figures and what would help; IDLE when none took a
// fifth. Of what the agent waited for, as much as the worker worked belongs to the worker's stages.
replication::v1::Bottleneck NameBottleneck(const StageTimes& times);

}  // namespace godwit::agent
