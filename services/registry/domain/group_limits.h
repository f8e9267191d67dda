// How many groups and members an installation takes. Defaults are those that AWS publishes for MGN.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "services/common/base/quota.h"

namespace godwit::registry {

struct GroupLimits {
  std::int64_t servers_per_application = 200;
  std::int64_t applications_per_wave = 1000;
  std::int64_t active_applications = 200;
  std::int64_t active_waves = 200;
  std::int64_t archived_applications = 10'000;
  std::int64_t archived_waves = 10'000;
};

// Of groups: applications, or waves.
Quota GroupQuota(const GroupLimits& limits, bool waves, bool archived, std::int64_t used);
// Of members of one group, "applications/app-..." or "waves/wave-..."; without a name and a count
// for all of them.
Quota MemberQuota(const GroupLimits& limits, bool of_wave, const std::string& group = "",
                  std::optional<std::int64_t> used = std::nullopt);

}  // namespace godwit::registry
