#include "agent/engine/convergence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/common/base/clock.h"

namespace godwit::agent {
namespace {

using ::testing::HasSubstr;
constexpr std::int64_t kMiB = 1 << 20;

// A source and a line of these rates, looked at every second.
class ConvergenceTest : public ::testing::Test {
 protected:
  const Convergence::Verdict& Run(int seconds, std::int64_t changes, std::int64_t sends) {
    const Convergence::Verdict* verdict = nullptr;
    for (int i = 0; i < seconds; ++i) {
      clock_.Advance(absl::Seconds(1));
      noted_ += changes;
      const std::int64_t sent = std::min(sends, backlog_ + changes);
      backlog_ += changes - sent;
      sent_ += sent;
      verdict = &convergence_.Look({clock_.Monotonic(), backlog_, noted_, sent_, limit_});
      if (verdict->not_converging) ++said_;
    }
    return *verdict;
  }

  FakeClock clock_;
  Convergence convergence_{{}};
  std::int64_t backlog_ = 1000 * kMiB, noted_ = 0, sent_ = 0, limit_ = 0;
  int said_ = 0;
};

TEST_F(ConvergenceTest, SaysSoAfterHalfAMinuteWithTheFigures) {
  EXPECT_FALSE(Run(29, 85 * kMiB, 40 * kMiB).not_converging);
  const Convergence::Verdict& verdict = Run(3, 85 * kMiB, 40 * kMiB);
  EXPECT_TRUE(verdict.not_converging);
  EXPECT_EQ(verdict.changed_per_second, 85 * kMiB);
  EXPECT_EQ(verdict.sent_per_second, 40 * kMiB);
  EXPECT_EQ(verdict.converges_in, std::nullopt);
  EXPECT_THAT(verdict.text, HasSubstr("changes 85.0 MiB/s, sends 40.0 MiB/s; needs 93.5 MiB/s"));
}

TEST_F(ConvergenceTest, NamesTheLimitThatHoldsItUp) {
  limit_ = 4 * kMiB;
  EXPECT_THAT(Run(40, 20 * kMiB, 4 * kMiB).text, HasSubstr("raise the bandwidth limit of 4.0"));
}

TEST_F(ConvergenceTest, ABacklogThatShrinksHasAnEnd) {
  const Convergence::Verdict& verdict = Run(10, 10 * kMiB, 60 * kMiB);
  EXPECT_FALSE(verdict.not_converging);
  ASSERT_TRUE(verdict.converges_in.has_value());
  EXPECT_EQ(*verdict.converges_in, absl::Seconds(10)) << "500 MiB are left, 50 a second go";
}

TEST_F(ConvergenceTest, ABurstIsNoReason) {
  Run(20, 200 * kMiB, 40 * kMiB);
  Run(60, 0, 40 * kMiB);
  EXPECT_EQ(said_, 0);
}

TEST_F(ConvergenceTest, FollowingASourceIsNoReasonHoweverMuchItWrites) {
  backlog_ = 0;
  for (int i = 0; i < 120; ++i) {
    Run(1, 50 * kMiB, 40 * kMiB);
    Run(1, 30 * kMiB, 40 * kMiB);
  }
  EXPECT_EQ(said_, 0);
}

TEST_F(ConvergenceTest, IsTakenBackWhenTheBacklogShrinksForTenSeconds) {
  ASSERT_TRUE(Run(40, 85 * kMiB, 40 * kMiB).not_converging);
  EXPECT_TRUE(Run(5, 0, 40 * kMiB).not_converging) << "not at once";
  const Convergence::Verdict& verdict = Run(10, 0, 40 * kMiB);
  EXPECT_FALSE(verdict.not_converging);
  EXPECT_EQ(verdict.text, "");
  EXPECT_TRUE(verdict.converges_in.has_value());
}

TEST_F(ConvergenceTest, DoesNotFlickerAtTheEdge) {
  ASSERT_TRUE(Run(40, 85 * kMiB, 40 * kMiB).not_converging);
  backlog_ = 5000 * kMiB;
  for (int i = 0; i < 60; ++i) {  // shrinks by 2 to 8 % of what is sent
    EXPECT_TRUE(Run(1, (i % 2 == 0 ? 37 : 39) * kMiB, 40 * kMiB).not_converging);
  }
}

TEST_F(ConvergenceTest, IsTakenBackWhenNothingIsLeft) {
  ASSERT_TRUE(Run(40, 85 * kMiB, 40 * kMiB).not_converging);
  backlog_ = 0;
  EXPECT_FALSE(Run(1, 0, 40 * kMiB).not_converging);
}

TEST_F(ConvergenceTest, AStandstillIsNotPredictedFrom) {
  Run(20, 85 * kMiB, 40 * kMiB);
  convergence_.Reset();
  EXPECT_FALSE(Run(20, 85 * kMiB, 40 * kMiB).not_converging);
}

}  // namespace
}  // namespace godwit::agent
