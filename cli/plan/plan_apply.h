// Making the changes of a diff.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "cli/context.h"
#include "cli/plan/plan_diff.h"

namespace godwit::cli {

// Makes the changes in their order; `done` is told of each. Ends at the first error: what was made
// stays, and a new diff has the rest.
absl::Status ApplyChanges(Context& context, const FleetState& state,
                          const std::vector<Change>& changes,
                          const std::function<void(const Change&)>& done);

}  // namespace godwit::cli
