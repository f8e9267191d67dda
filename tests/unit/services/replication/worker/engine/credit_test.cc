#include "services/replication/worker/engine/credit.h"

#include <gtest/gtest.h>

namespace godwit::worker {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

// An agent that always has something, on a line of that rate: in each step of 20 ms arrives what
// the line or the credit lets through.
std::int64_t After(Credit& credit, FakeClock& clock, std::int64_t* taken, absl::Duration time,
                   double bytes_per_second, absl::Duration round_trip) {
  constexpr absl::Duration kStep = absl::Milliseconds(20);
  std::int64_t bytes = credit.Bytes(*taken, round_trip);
  for (absl::Duration at; at < time; at += kStep) {
    const double by_window = static_cast<double>(bytes) / absl::ToDoubleSeconds(round_trip);
    *taken += static_cast<std::int64_t>(std::min(bytes_per_second, by_window) *
                                        absl::ToDoubleSeconds(kStep));
    clock.Advance(kStep);
    bytes = credit.Bytes(*taken, round_trip);
  }
  return bytes;
}

TEST(Credit, IsTheFirstOneUntilTheRoundTripIsKnown) {
  FakeClock clock;
  Credit credit({}, clock);
  EXPECT_EQ(credit.Bytes(0, absl::ZeroDuration()), 64 * kMiB);
  clock.Advance(absl::Seconds(5));
  EXPECT_EQ(credit.Bytes(std::int64_t{1} << 40, absl::ZeroDuration()), 64 * kMiB);
}

TEST(Credit, AShortLineGetsTheLeast) {
  FakeClock clock;
  Credit credit({}, clock);
  std::int64_t taken = 0;
  EXPECT_EQ(After(credit, clock, &taken, absl::Seconds(5), 1e9, absl::Milliseconds(1)), 32 * kMiB);
}

TEST(Credit, ALongFastLineIsFilledTwice) {
  FakeClock clock;
  Credit credit({}, clock);
  std::int64_t taken = 0;
  // 4 Gbit/s x 150 ms: 75 MB under way; the first 32 MiB allow a third of the line.
  const std::int64_t bytes =
      After(credit, clock, &taken, absl::Seconds(3), 5e8, absl::Milliseconds(150));
  EXPECT_NEAR(static_cast<double>(bytes), 150e6, 3e6);
  const std::int64_t before = taken;
  After(credit, clock, &taken, absl::Seconds(1), 5e8, absl::Milliseconds(150));
  EXPECT_NEAR(static_cast<double>(taken - before), 5e8, 1e7) << "the line is full";
}

TEST(Credit, IsBoundedWhateverTheAgentSays) {
  FakeClock clock;
  Credit credit({}, clock);
  Credit small({.initial = 5 * kMiB, .least = 5 * kMiB, .most = 5 * kMiB}, clock);
  for (std::int64_t taken = 0; taken < std::int64_t{1} << 40; taken += std::int64_t{1} << 36) {
    clock.Advance(absl::Seconds(1));
    EXPECT_LE(credit.Bytes(taken, absl::Hours(10)), 256 * kMiB);
    EXPECT_EQ(small.Bytes(taken, absl::Hours(10)), 5 * kMiB);
  }
  EXPECT_EQ(credit.Bytes(std::int64_t{1} << 40, absl::Hours(10)), 256 * kMiB);
}

TEST(Credit, APauseDoesNotCostIt) {
  FakeClock clock;
  Credit credit({}, clock);
  std::int64_t taken = 0;
  const std::int64_t bytes =
      After(credit, clock, &taken, absl::Seconds(3), 5e8, absl::Milliseconds(150));
  EXPECT_EQ(After(credit, clock, &taken, absl::Seconds(8), 0, absl::Milliseconds(150)), bytes);
  EXPECT_EQ(After(credit, clock, &taken, absl::Seconds(4), 0, absl::Milliseconds(150)), 32 * kMiB);
}

}  // namespace
}  // namespace godwit::worker
