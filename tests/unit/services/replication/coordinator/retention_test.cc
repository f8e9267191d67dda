#include "services/replication/coordinator/domain/retention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"

namespace godwit::coordinator {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1780000000);

KeptPoint At(absl::Duration after, const std::string& id) {
  return {.id = id, .epoch = absl::ToInt64Seconds(after) + 1, .time = kStart + after};
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

// The clock went back by a day between two points: what was committed last is the newest.
TEST(RetentionTest, TheNewestIsTheLargestEpochWhateverTheClockSaid) {
  const std::vector<KeptPoint> points = {
      {.id = "ahead", .epoch = 1, .time = kStart + absl::Hours(24)},
      {.id = "newest", .epoch = 2, .time = kStart}};
  EXPECT_EQ(Gone(points, kStart + absl::Hours(24 * 300)), std::set<std::string>{"ahead"});
  EXPECT_FALSE(ExpireTimes(points, DefaultRetention(), kStart)[1].has_value());
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
      return now - point.time >= from && now - point.time < to;
    });
  };
  EXPECT_GE(count(absl::ZeroDuration(), absl::Minutes(1)), 2);
  EXPECT_GE(count(absl::ZeroDuration(), absl::Hours(1)), 6);
  EXPECT_GE(count(absl::ZeroDuration(), absl::Hours(24)), 28);
  EXPECT_GE(count(absl::Hours(24), absl::Hours(24 * 7)), 5);
  EXPECT_LE(points.size(), 2u + 20u + 8u + 26u + 9u);
}

// Whatever was foretold comes true when time goes on: retention runs at every moment at which a
// rule can change its mind.
TEST(RetentionTest, ExpireTimesAreWhenRetentionDeletes) {
  std::mt19937 random(20260601);
  for (int round = 0; round < 200; ++round) {
    std::vector<RetentionRule> rules = DefaultRetention();
    if (round % 2 == 1) {
      rules.clear();
      for (unsigned i = random() % 4 + 1; i > 0; --i) {
        const absl::Duration every = absl::Minutes(random() % 30);
        rules.push_back({every, every + absl::Minutes(random() % 600)});
      }
    }
    std::vector<KeptPoint> points;
    for (int i = 0; i < 40; ++i) {
      points.push_back(At(absl::Seconds(random() % (3600 * 20)), absl::StrCat(i)));
      points.back().pinned = random() % 10 == 0;
      points.back().in_use = random() % 10 == 0;
    }
    const absl::Time now = kStart + absl::Hours(20);
    const auto delete_at = [&](std::vector<KeptPoint>& left, absl::Time time,
                               std::map<std::string, absl::Time>* gone) {
      std::set<std::string> ids;
      for (const KeptPoint& point : Expired(left, rules, time)) {
        ids.insert(point.id);
        if (gone != nullptr) (*gone)[point.id] = time;
      }
      std::erase_if(left, [&](const KeptPoint& point) { return ids.contains(point.id); });
    };
    if (round % 3 > 0) delete_at(points, now, nullptr);  // as it is when retention has just run
    const auto foretold = ExpireTimes(points, rules, now);
    std::set<absl::Time> moments = {now};
    for (const KeptPoint& point : points) {
      for (const RetentionRule& rule : rules) {
        if (point.time + rule.age >= now) moments.insert(point.time + rule.age);
      }
    }
    std::map<std::string, absl::Time> gone;
    std::vector<KeptPoint> left = points;
    delete_at(left, now, &gone);
    for (const absl::Time moment : moments) delete_at(left, moment + absl::Nanoseconds(1), &gone);
    for (std::size_t i = 0; i < points.size(); ++i) {
      const auto found = gone.find(points[i].id);
      ASSERT_EQ(foretold[i].has_value(), found != gone.end()) << round << " " << points[i].id;
      if (!foretold[i]) continue;
      EXPECT_LE(absl::AbsDuration(*foretold[i] - found->second), absl::Nanoseconds(1))
          << round << " " << points[i].id << " " << *foretold[i] << " " << found->second;
    }
  }
}

TEST(RetentionTest, PinnedUsedAndNewestDoNotExpire) {
  std::vector<KeptPoint> points = {At(absl::ZeroDuration(), "pinned"), At(absl::Seconds(1), "used"),
                                   At(absl::Seconds(2), "plain"), At(absl::Seconds(3), "newest")};
  points[0].pinned = true;
  points[1].in_use = true;
  const auto times = ExpireTimes(points, {{absl::ZeroDuration(), absl::Hours(1)}}, kStart);
  EXPECT_FALSE(times[0] || times[1] || times[3]);
  EXPECT_EQ(times[2], kStart + absl::Seconds(2) + absl::Hours(1));
}

}  // namespace
}  // namespace godwit::coordinator
