#include "agent/uplink/round_trip.h"

#include <gtest/gtest.h>

namespace godwit::agent {
namespace {

TEST(RoundTrip, IsTheShortestOfLately) {
  RoundTrip trip;
  EXPECT_EQ(trip.Microseconds(), 0);
  trip.Add(absl::Milliseconds(80), absl::Seconds(1000));
  trip.Add(absl::Milliseconds(50), absl::Seconds(1001));
  trip.Add(absl::Milliseconds(70), absl::Seconds(1002));
  EXPECT_EQ(trip.Microseconds(), 50'000);
  trip.Add(absl::Milliseconds(90), absl::Seconds(1040));
  EXPECT_EQ(trip.Microseconds(), 50'000) << "not forgotten at once";
  trip.Add(absl::Milliseconds(100), absl::Seconds(1080));
  EXPECT_EQ(trip.Microseconds(), 90'000);
  trip.Add(absl::Milliseconds(120), absl::Seconds(2000));
  EXPECT_EQ(trip.Microseconds(), 120'000) << "what is too old does not count";
}

}  // namespace
}  // namespace godwit::agent
