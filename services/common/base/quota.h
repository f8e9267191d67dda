// Limits of how many things an installation may hold, as values: what the services list, what a
// refusal names. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace godwit {

struct Quota {
  std::string code;                  // stable, "ACTIVE_SOURCE_SERVERS"
  std::string title;                 // for people, "active source servers"
  std::int64_t limit = 0;            // how many there may be
  std::optional<std::int64_t> used;  // how many there are; unset: each resource has its own count
  std::string option;                // of the service that sets the limit; empty: it is fixed
  std::string advice;                // what makes room, "archive servers that are done"
};

// OK when `more` fit beside those that are used. RESOURCE_EXHAUSTED else: the text names the limit,
// the present value and what to do, and the status carries the quota (RefusedQuota).
absl::Status CheckQuota(const Quota& quota, std::int64_t more);

// The quota a refusal of CheckQuota is about (code, limit, used, option); nullopt for others.
std::optional<Quota> RefusedQuota(const absl::Status& status);

}  // namespace godwit
