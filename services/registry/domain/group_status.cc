#include "services/registry/domain/group_status.h"

namespace godwit::registry {

GroupHealth HealthOf(bool archived, const GroupFacts& facts) {
  if (archived) return GroupHealth::kNone;
  if (facts.stalled > 0) return GroupHealth::kError;
  return facts.lagging > 0 ? GroupHealth::kLagging : GroupHealth::kHealthy;
}

GroupProgress ProgressOf(const GroupFacts& facts) {
  if (facts.started == 0) return GroupProgress::kNotStarted;
  return facts.cut_over == facts.servers ? GroupProgress::kCompleted : GroupProgress::kInProgress;
}

}  // namespace godwit::registry
