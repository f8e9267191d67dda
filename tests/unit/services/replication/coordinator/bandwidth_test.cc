// Windows against a model that paints a week, minute by minute.
#include "services/replication/coordinator/domain/bandwidth.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "absl/time/civil_time.h"

namespace godwit::coordinator {
namespace {

constexpr int kDay = 24 * 60;
constexpr int kWeek = 7 * kDay;
constexpr std::int64_t kDefault = 7;

// `minute` of the week that begins on Monday, 2026-06-01.
absl::Time At(int minute, absl::Duration later = absl::ZeroDuration()) {
  return absl::FromCivil(absl::CivilMinute(2026, 6, 1) + minute, absl::UTCTimeZone()) + later;
}

using Week = std::array<std::int64_t, kWeek>;  // the limit at every minute

Week Paint(const std::vector<BandwidthWindow>& windows) {
  Week week;
  week.fill(kDefault);
  // The first that matches counts: it is painted last.
  for (auto window = windows.rbegin(); window != windows.rend(); ++window) {
    const int length = window->end_minute > window->start_minute
                           ? window->end_minute - window->start_minute
                           : kDay - window->start_minute + window->end_minute;
    for (int day = 0; day < 7; ++day) {
      if (window->weekday_mask != 0 && (window->weekday_mask & 1 << day) == 0) continue;
      for (int i = 0; i < length; ++i) {
        week[static_cast<std::size_t>((day * kDay + window->start_minute + i) % kWeek)] =
            window->limit_bytes_per_second;
      }
    }
  }
  return week;
}

// Minutes from each one to the next with another limit; a whole week when there is none.
std::array<int, kWeek> Steady(const Week& week) {
  std::array<int, kWeek> steady;
  steady.fill(kWeek);
  for (int i = 2 * kWeek - 2; i >= 0; --i) {
    const auto at = static_cast<std::size_t>(i % kWeek), next = (at + 1) % kWeek;
    steady[at] = week[at] != week[next] ? 1 : std::min(steady[next] + 1, kWeek);
  }
  return steady;
}

void ExpectAsPainted(const std::vector<BandwidthWindow>& windows) {
  const Week week = Paint(windows);
  const std::array<int, kWeek> steady = Steady(week);
  for (int minute = 0; minute < kWeek; ++minute) {
    const std::int64_t expected = week[static_cast<std::size_t>(minute)];
    for (const absl::Duration later : {absl::ZeroDuration(), absl::Milliseconds(59999)}) {
      const Bandwidth now = BandwidthAt(kDefault, windows, At(minute, later));
      ASSERT_EQ(now.paused, expected == 0) << minute;
      ASSERT_EQ(now.limit_bytes_per_second, expected) << minute;
      // It holds as long as it says, and says a time that is still to come.
      ASSERT_GT(now.until, At(minute, later));
      ASSERT_LE(now.until, At(minute + kDay));
      ASSERT_LE(now.until, At(minute + steady[static_cast<std::size_t>(minute)])) << minute;
    }
  }
}

TEST(Bandwidth, WithoutWindowsTheLimitHoldsForEver) {
  const Bandwidth now = BandwidthAt(5, {}, At(0));
  EXPECT_EQ(now.limit_bytes_per_second, 5);
  EXPECT_EQ(now.until, absl::InfiniteFuture());
  EXPECT_EQ(BandwidthAt(-5, {}, At(0)).limit_bytes_per_second, 0);
  EXPECT_FALSE(BandwidthAt(0, {}, At(0)).paused);
}

TEST(Bandwidth, EveryKindOfWindowOnEveryWeekday) {
  struct Span {
    int start, end;
  };
  constexpr Span kSpans[] = {{0, 1},          {0, kDay},    {kDay - 1, kDay}, {540, 1080},
                             {kDay - 1, 1},   {1320, 360},  {1, kDay},        {600, 599},
                             {kDay - 1, 720}, {kDay / 2, 1}};
  for (const Span& span : kSpans) {
    for (const int mask : {0, 1, 2, 64, 65, 0b0101010, 127}) {
      SCOPED_TRACE(testing::Message() << span.start << "-" << span.end << " mask " << mask);
      ExpectAsPainted({{span.start, span.end, mask, 0}});
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Bandwidth, AWrapAtTheEndOfTheWeekBelongsToSunday) {
  const std::vector<BandwidthWindow> windows = {{22 * 60, 6 * 60, 1 << 6, 9}};
  EXPECT_EQ(BandwidthAt(1, windows, At(0)).limit_bytes_per_second, 9);  // Monday 00:00
  EXPECT_EQ(BandwidthAt(1, windows, At(6 * 60)).limit_bytes_per_second, 1);
  EXPECT_EQ(BandwidthAt(1, windows, At(22 * 60)).limit_bytes_per_second, 1);  // Monday 22:00
  EXPECT_EQ(BandwidthAt(1, windows, At(6 * kDay + 22 * 60)).limit_bytes_per_second, 9);
}

TEST(Bandwidth, TheFirstOfOverlappingWindowsCounts) {
  ExpectAsPainted({{540, 1080, 0b0011111, 0}, {1320, 360, 0b1000000, 90}, {0, kDay, 0, 50}});
  ExpectAsPainted({{0, 720, 0b0100000, 3}, {600, 660, 0, 0}, {1430, 10, 0b0010000, 4}});
}

TEST(Bandwidth, AnEmptyWindowContainsNothing) {
  for (int minute = 0; minute < kDay; ++minute) {
    ASSERT_EQ(BandwidthAt(1, {{600, 600, 0, 9}}, At(minute)).limit_bytes_per_second, 1);
  }
}

}  // namespace
}  // namespace godwit::coordinator
