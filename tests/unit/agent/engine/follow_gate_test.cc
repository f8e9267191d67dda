#include "agent/engine/follow_gate.h"

#include <gtest/gtest.h>

namespace godwit::agent {
namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr absl::Duration kCut = absl::Seconds(1);

TEST(FollowGate, IsOpenUntilSomethingOverflows) {
  const FollowGate gate;
  EXPECT_TRUE(gate.MayFollow(absl::Seconds(1), 1000 * kMiB, kCut));
}

TEST(FollowGate, StaysClosedLongerWithEveryOverflow) {
  FollowGate gate;
  absl::Duration now = absl::Seconds(1000);
  for (const int pause : {2, 4, 8, 16, 32, 60, 60}) {
    gate.Began(now, 0);
    now += absl::Seconds(1);
    gate.Overflowed(now, 100 * kMiB);
    EXPECT_FALSE(gate.MayFollow(now + absl::Seconds(pause - 1), 100 * kMiB, kCut)) << pause;
    EXPECT_TRUE(gate.MayFollow(now + absl::Seconds(pause), 100 * kMiB, kCut)) << pause;
    now += absl::Seconds(pause);
  }
}

TEST(FollowGate, OpensAtOnceWhenTheSourceWritesLessThanHalf) {
  FollowGate gate;
  gate.Began(absl::Seconds(10), 500 * kMiB);
  gate.Overflowed(absl::Seconds(12), 700 * kMiB);  // 100 MiB a second
  EXPECT_FALSE(gate.MayFollow(absl::Seconds(12), 51 * kMiB, kCut));
  EXPECT_TRUE(gate.MayFollow(absl::Seconds(12), 49 * kMiB, kCut));
  EXPECT_TRUE(gate.MayFollow(absl::Seconds(12), 0, absl::ZeroDuration()));
}

TEST(FollowGate, ALongFollowingBeginsAnew) {
  FollowGate gate;
  for (int i = 0; i < 6; ++i) {
    gate.Began(absl::Seconds(i), 0);
    gate.Overflowed(absl::Seconds(i + 1), 100 * kMiB);
  }
  gate.Began(absl::Seconds(100), 0);
  gate.Overflowed(absl::Seconds(200), 6400 * kMiB);
  EXPECT_FALSE(gate.MayFollow(absl::Seconds(201), 100 * kMiB, kCut));
  EXPECT_TRUE(gate.MayFollow(absl::Seconds(202), 100 * kMiB, kCut));
}

}  // namespace
}  // namespace godwit::agent
