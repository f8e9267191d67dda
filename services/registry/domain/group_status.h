// What the members of an application or wave make up together. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/time/time.h"

namespace godwit::registry {

// How the replication of one server goes. Numbers are stored.
enum class ServerHealth { kHealthy = 1, kLagging = 2, kStalled = 3 };

// Numbers equal those of GroupStatus.Health and GroupStatus.Progress.
enum class GroupHealth { kNone = 0, kHealthy = 1, kLagging = 2, kError = 3 };
enum class GroupProgress { kNotStarted = 1, kInProgress = 2, kCompleted = 3 };

// Members of a group, counted. Stalled and lagging ones are those that replicate.
struct GroupFacts {
  std::int64_t applications = 0;  // of waves
  std::int64_t servers = 0;
  std::int64_t started = 0;   // began to replicate
  std::int64_t cut_over = 0;  // in CUTOVER
  std::int64_t stalled = 0, lagging = 0;
  std::optional<absl::Time> first_start;  // of replication
  std::optional<absl::Time> last_change;  // of a member; nullopt without members
};

// An archived group has none.
GroupHealth HealthOf(bool archived, const GroupFacts& facts);
// An application without servers holds a wave back in nothing: what counts are the servers.
GroupProgress ProgressOf(const GroupFacts& facts);

}  // namespace godwit::registry
