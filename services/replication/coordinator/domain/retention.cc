#include "services/replication/coordinator/domain/retention.h"

#include <algorithm>
#include <set>

namespace godwit::coordinator {

std::vector<RetentionRule> DefaultRetention() {
  return {{absl::ZeroDuration(), absl::Minutes(1)},
          {absl::Minutes(10), absl::Hours(1)},
          {absl::Hours(1), absl::Hours(24)},
          {absl::Hours(24), absl::Hours(24 * 7)}};
}

std::vector<KeptPoint> Expired(const std::vector<KeptPoint>& points,
                               const std::vector<RetentionRule>& rules, absl::Time now) {
  std::vector<const KeptPoint*> oldest_first;
  for (const KeptPoint& point : points) oldest_first.push_back(&point);
  std::stable_sort(oldest_first.begin(), oldest_first.end(),
                   [](const KeptPoint* left, const KeptPoint* right) {
                     return left->cut_time < right->cut_time;
                   });
  std::set<const KeptPoint*> kept;
  if (!oldest_first.empty()) kept.insert(oldest_first.back());
  for (const RetentionRule& rule : rules) {
    std::set<std::int64_t> slots;
    for (const KeptPoint* point : oldest_first) {
      if (now - point->cut_time > rule.age) continue;
      if (rule.every <= absl::ZeroDuration() ||
          slots.insert((point->cut_time - absl::UnixEpoch()) / rule.every).second) {
        kept.insert(point);
      }
    }
  }
  std::vector<KeptPoint> out;
  for (const KeptPoint& point : points) {
    if (!point.pinned && !point.in_use && !kept.contains(&point)) out.push_back(point);
  }
  return out;
}

}  // namespace godwit::coordinator
