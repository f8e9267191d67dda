#include "services/replication/coordinator/domain/retention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"

namespace godwit::coordinator {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1780000000);

KeptPoint At(absl::Duration after, const std::string& id) {
  return {.id = id, .epoch = absl::ToInt64Seconds(after) + 1, .cut_time = kStart + after};
}

std::set<std::string> Gone(const std::vector<KeptPoint>& points, absl::Time now) {
  std::set<std::string> out;
  for (const KeptPoint& point : Expired(points, DefaultRetention(), now)) out.insert(point.id);
  return out;
}

TEST(RetentionTest, KeepsTheNewestHoweverOld) {
  EXPECT_EQ(Gone({At(absl::ZeroDuration(), "old"), At(absl::Seconds(1), "newest")},
                 kStart + absl::Hours(24 * 300)),
            std::set<std::string>{"old"});
}

TEST(RetentionTest, KeepsPinnedAndUsed) {
  std::vector<KeptPoint> points = {At(absl::ZeroDuration(), "pinned"), At(absl::Seconds(1), "used"),
                                   At(absl::Seconds(2), "plain"), At(absl::Seconds(3), "newest")};
  points[0].pinned = true;
  points[1].in_use = true;
  EXPECT_EQ(Gone(points, kStart + absl::Hours(24 * 300)), std::set<std::string>{"plain"});
}

// A cut every 5 s for 8 days, expired as it goes: what is left is what the rules say, and nothing
// that a rule still needs was dropped earlier.
TEST(RetentionTest, LongRunKeepsEveryRule) {
  std::vector<KeptPoint> points;
  const absl::Duration step = absl::Seconds(30);
  absl::Time now = kStart;
  for (absl::Duration t; t < absl::Hours(24 * 8); t += step) {
    points.push_back(At(t, absl::StrCat(t / step)));
    now = kStart + t;
    if ((t / step) % 10 != 0) continue;
    const std::set<std::string> gone = Gone(points, now);
    std::erase_if(points, [&](const KeptPoint& point) { return gone.contains(point.id); });
  }
  const auto count = [&](absl::Duration from, absl::Duration to) {
    return std::count_if(points.begin(), points.end(), [&](const KeptPoint& point) {
      return now - point.cut_time >= from && now - point.cut_time < to;
    });
  };
  EXPECT_GE(count(absl::ZeroDuration(), absl::Minutes(1)), 2);
  EXPECT_GE(count(absl::ZeroDuration(), absl::Hours(1)), 6);
  EXPECT_GE(count(absl::ZeroDuration(), absl::Hours(24)), 28);
  EXPECT_GE(count(absl::Hours(24), absl::Hours(24 * 7)), 5);
  EXPECT_LE(points.size(), 2u + 20u + 8u + 26u + 9u);
}

}  // namespace
}  // namespace godwit::coordinator
