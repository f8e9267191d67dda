#include "services/common/metrics/quota_metrics.h"

namespace godwit {

void CollectQuotas(const std::vector<Quota>& quotas, Samples& to) {
  for (const Quota& quota : quotas) {
    to.Gauge("godwit_quota_limit", "How many there may be.", {{"quota", quota.code}},
             static_cast<double>(quota.limit));
    if (!quota.used) continue;
    to.Gauge("godwit_quota_used", "How many there are.", {{"quota", quota.code}},
             static_cast<double>(*quota.used));
  }
}

}  // namespace godwit
