#include "services/registry/domain/replication_told.h"

namespace godwit::registry {
namespace {

Condition Step(Condition condition, bool seen, absl::Time now, absl::Duration hold) {
  if (seen == condition.told) {
    condition.since.reset();
    return condition;
  }
  if (!condition.since) condition.since = now;
  if (now - *condition.since < hold) return condition;
  return {.told = seen};
}

}  // namespace

ReplicationTold Decide(const std::optional<ReplicationTold>& before, const ReplicationSeen& seen,
                       absl::Time now, const ToldLimits& limits) {
  ReplicationTold told = before.value_or(ReplicationTold{.synced = false});
  told.active = !seen.ended && !seen.paused;
  // The points of a former life may be there when the next one begins.
  const bool was_synced = told.synced.value_or(seen.has_point);
  told.synced = !seen.ended && seen.has_point && (was_synced || seen.flowing);
  if (seen.rescan_time && (!told.rescan_time || *seen.rescan_time > *told.rescan_time)) {
    told.rescan_time = seen.rescan_time;
    told.rescan_reason = seen.rescan_reason;
  }
  if (!told.active) {
    // Nothing is wrong with what is not to be, and its end is no recovery.
    told.stalled = told.lagging = told.disconnected = {};
    return told;
  }
  const bool was_stalled = told.stalled.told;
  told.stalled = Step(told.stalled, seen.stalled, now, limits.hold);
  if (told.stalled.told && !was_stalled) told.stall_cause = seen.stall_cause;
  const bool lags = seen.lag && *seen.lag >= (told.lagging.told ? limits.lag / 2 : limits.lag);
  told.lagging = Step(told.lagging, lags, now, told.lagging.told ? limits.hold : limits.lag_hold);
  const bool silent = seen.silence && *seen.silence >= limits.silence;
  told.disconnected = Step(told.disconnected, silent, now, limits.hold);
  return told;
}

}  // namespace godwit::registry
