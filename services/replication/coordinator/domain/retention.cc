#include "services/replication/coordinator/domain/retention.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

namespace godwit::coordinator {

std::vector<RetentionRule> DefaultRetention() {
  return {{absl::ZeroDuration(), absl::Minutes(1)},
          {absl::Minutes(10), absl::Hours(1)},
          {absl::Hours(1), absl::Hours(24)},
          {absl::Hours(24), absl::Hours(24 * 7)}};
}

namespace {

// By what was committed when: clocks may have gone back in between.
bool Earlier(const KeptPoint& left, const KeptPoint& right) {
  return std::tie(left.epoch, left.time) < std::tie(right.epoch, right.time);
}

std::vector<std::size_t> OldestFirst(const std::vector<KeptPoint>& points) {
  std::vector<std::size_t> order(points.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t left, std::size_t right) {
    return Earlier(points[left], points[right]);
  });
  return order;
}

// What a rule says of a slot: it keeps the oldest point in it that is not older than the age.
struct Slot {
  absl::Time free = absl::InfinitePast();  // from here on none of the points so far is that one
};

}  // namespace

std::vector<std::optional<absl::Time>> ExpireTimes(const std::vector<KeptPoint>& points,
                                                   const std::vector<RetentionRule>& rules,
                                                   absl::Time now) {
  std::vector<std::optional<absl::Time>> out(points.size());
  std::map<std::pair<std::size_t, std::int64_t>, Slot> slots;  // by rule
  const std::vector<std::size_t> order = OldestFirst(points);
  for (const std::size_t i : order) {
    const KeptPoint& point = points[i];
    const auto slot_of = [&](std::size_t rule) -> Slot& {
      const absl::Duration every = rules[rule].every;
      // Without a distance every point is alone in its slot.
      if (every <= absl::ZeroDuration()) return slots[{rule, static_cast<std::int64_t>(i)}];
      return slots[{rule, (point.time - absl::UnixEpoch()) / every}];
    };
    absl::Time until = now;
    const bool stays = point.pinned || point.in_use || i == order.back();
    if (stays) until = absl::InfiniteFuture();
    // One rule may keep it until it is the oldest of another's slot.
    for (bool longer = true; longer;) {
      longer = false;
      for (std::size_t rule = 0; rule < rules.size(); ++rule) {
        const absl::Time end = point.time + rules[rule].age;
        if (end <= until || slot_of(rule).free > until) continue;
        until = end;
        longer = true;
      }
    }
    for (std::size_t rule = 0; rule < rules.size(); ++rule) {
      Slot& slot = slot_of(rule);
      slot.free = std::max(slot.free, std::min(until, point.time + rules[rule].age));
    }
    if (!stays) out[i] = until;
  }
  return out;
}

std::vector<KeptPoint> Expired(const std::vector<KeptPoint>& points,
                               const std::vector<RetentionRule>& rules, absl::Time now) {
  std::vector<const KeptPoint*> oldest_first;
  for (const KeptPoint& point : points) oldest_first.push_back(&point);
  std::stable_sort(
      oldest_first.begin(), oldest_first.end(),
      [](const KeptPoint* left, const KeptPoint* right) { return Earlier(*left, *right); });
  std::set<const KeptPoint*> kept;
  if (!oldest_first.empty()) kept.insert(oldest_first.back());
  for (const RetentionRule& rule : rules) {
    std::set<std::int64_t> slots;
    for (const KeptPoint* point : oldest_first) {
      if (now - point->time > rule.age) continue;
      if (rule.every <= absl::ZeroDuration() ||
          slots.insert((point->time - absl::UnixEpoch()) / rule.every).second) {
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
