// How many source servers an installation may hold. Defaults are those that AWS publishes for MGN.
// Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "services/common/base/quota.h"
#include "services/registry/domain/source_server.h"

namespace godwit::registry {

inline constexpr std::int64_t kMostOfAQuota = 10'000'000;

struct Quotas {
  std::int64_t active_source_servers = 150;
  std::int64_t unarchived_source_servers = 4'000;
  std::int64_t source_servers = 50'000;
};

// What counts towards each quota. A server is active while it replicates or could at once: from
// NOT_READY to CUTTING_OVER.
struct ServerUse {
  std::int64_t active = 0, unarchived = 0, all = 0;
  bool operator==(const ServerUse&) const = default;
};
// Of one server: 0 or 1 each.
ServerUse UseOf(const SourceServer& server);
// What a change adds; negative where it frees.
ServerUse Added(const ServerUse& before, const ServerUse& after);
// Whether a change needs the quotas at all.
bool Grows(const ServerUse& added);

// The quotas with what is used of them now.
std::vector<Quota> ServerQuotas(const Quotas& quotas, const ServerUse& used);
// RESOURCE_EXHAUSTED (services/common/base/quota.h) names the first quota that `added` breaks.
absl::Status CheckServerQuotas(const Quotas& quotas, const ServerUse& used, const ServerUse& added);

}  // namespace godwit::registry
