#include "services/replication/coordinator/domain/lease_judge.h"

#include <gtest/gtest.h>

namespace godwit::coordinator {
namespace {

constexpr absl::Duration kLease = absl::Seconds(15);

class LeaseJudgeTest : public ::testing::Test {
 protected:
  void Rounds(int seconds, bool database_answered = true) {
    for (int i = 0; i < seconds; ++i) {
      clock_.Advance(absl::Seconds(1));
      judge_.Observe(database_answered);
    }
  }
  FakeClock clock_;
  LeaseJudge judge_{clock_, kLease};
};

TEST_F(LeaseJudgeTest, WaitsOneLeaseAfterTheStart) {
  Rounds(14);
  EXPECT_FALSE(judge_.MayJudge());
  Rounds(1);
  EXPECT_TRUE(judge_.MayJudge());
}

TEST_F(LeaseJudgeTest, WaitsOneLeaseAfterTheDatabaseCameBack) {
  Rounds(100);
  Rounds(60, /*database_answered=*/false);
  EXPECT_FALSE(judge_.MayJudge());
  Rounds(14);
  EXPECT_FALSE(judge_.MayJudge());
  Rounds(1);
  EXPECT_TRUE(judge_.MayJudge());
}

TEST_F(LeaseJudgeTest, WaitsAfterThisProcessStoodStill) {
  Rounds(100);
  clock_.Advance(absl::Seconds(40));
  judge_.Observe(true);
  EXPECT_FALSE(judge_.MayJudge());
}

// The first round after a stop asks before it observed anything: it must not judge either.
TEST_F(LeaseJudgeTest, TheFirstRoundAfterAStopDoesNotJudge) {
  Rounds(100);
  clock_.Advance(absl::Seconds(40));
  EXPECT_FALSE(judge_.MayJudge());
}

}  // namespace
}  // namespace godwit::coordinator
