// Figures of quotas, the same of every service that has some.
#pragma once

#include <vector>

#include "services/common/base/quota.h"
#include "services/common/metrics/metrics.h"

namespace godwit {

// Each quota's limit, and what is used of those that have one count.
void CollectQuotas(const std::vector<Quota>& quotas, Samples& to);

}  // namespace godwit
