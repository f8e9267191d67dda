// Which points of a server are kept. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "services/replication/coordinator/domain/types.h"

namespace godwit::coordinator {

struct KeptPoint {
  std::string id;
  std::int64_t epoch = 0;
  // When it was committed, by clocks of this installation: those of sources may be wrong by years.
  absl::Time time;
  bool pinned = false;
  bool in_use = false;  // a clone, or whoever asked for it, still needs it
};

// Every cut for 1 minute, one per 10 min for 1 h, hourly for 24 h, daily for 7 days.
std::vector<RetentionRule> DefaultRetention();

// The points to delete, in their order. Never the newest (of the largest epoch), never pinned ones
// or those in use. Of each slot of a rule the oldest stays, so that a point once kept by a rule is
// kept until its age is over.
std::vector<KeptPoint> Expired(const std::vector<KeptPoint>& points,
                               const std::vector<RetentionRule>& rules, absl::Time now);

// When each of `points` will be among the expired if no newer ones come and the rules stay; in
// their order. nullopt: never, because it is pinned, in use, or the newest.
std::vector<std::optional<absl::Time>> ExpireTimes(const std::vector<KeptPoint>& points,
                                                   const std::vector<RetentionRule>& rules,
                                                   absl::Time now);

}  // namespace godwit::coordinator
