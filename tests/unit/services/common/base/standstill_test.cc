#include "services/common/base/standstill.h"

#include <gtest/gtest.h>

#include <vector>

namespace godwit {
namespace {

class StandstillTest : public ::testing::Test {
 protected:
  void Tick() {
    watched_.Tick([this](absl::Duration gap) { noticed_.push_back(gap); });
  }
  FakeClock clock_;
  Standstill watched_{clock_, {.limit = absl::Seconds(2), .settle = absl::Seconds(1)}};
  std::vector<absl::Duration> noticed_;
};

TEST_F(StandstillTest, AProcessThatRunsDoesNotStandStill) {
  for (int i = 0; i < 20; ++i) {
    clock_.Advance(absl::Seconds(2));  // late, but no later than the limit
    EXPECT_FALSE(watched_.Recent());
    Tick();
  }
  EXPECT_TRUE(noticed_.empty());
}

TEST_F(StandstillTest, WhatArrivesBeforeTheNextTickIsOld) {
  clock_.Advance(absl::Milliseconds(2001));
  EXPECT_TRUE(watched_.Recent());
}

TEST_F(StandstillTest, WhatWaitedHasBeenReadAfterASecond) {
  clock_.Advance(absl::Seconds(12));
  Tick();
  ASSERT_EQ(noticed_.size(), 1u);
  EXPECT_EQ(noticed_[0], absl::Seconds(12));
  clock_.Advance(absl::Milliseconds(999));
  Tick();
  EXPECT_TRUE(watched_.Recent());
  clock_.Advance(absl::Milliseconds(1));
  EXPECT_FALSE(watched_.Recent());
  Tick();
  EXPECT_EQ(noticed_.size(), 1u);
}

TEST_F(StandstillTest, NobodyWatchesUnlessAsked) { EXPECT_FALSE(StoodStill()); }

}  // namespace
}  // namespace godwit
