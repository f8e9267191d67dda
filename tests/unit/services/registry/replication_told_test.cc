#include "services/registry/domain/replication_told.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace godwit::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Looks every ten seconds, and what they tell.
class ToldTest : public ::testing::Test {
 protected:
  ToldTest() { seen_.silence = absl::Seconds(1); }

  void Look(int times = 1) {
    for (int i = 0; i < times; ++i) {
      now_ += absl::Seconds(10);
      const ReplicationTold after = Decide(told_, seen_, now_, limits_);
      Compare(told_.value_or(ReplicationTold{.synced = false}), after);
      told_ = after;
    }
  }
  std::vector<std::string> Told() { return std::exchange(events_, {}); }

  ToldLimits limits_;
  ReplicationSeen seen_;
  std::optional<ReplicationTold> told_;

 private:
  void Compare(const ReplicationTold& before, const ReplicationTold& after) {
    const auto edge = [&](const char* name, const Condition& was, const Condition& is) {
      if (is.told && !was.told) events_.push_back(name);
      if (was.told && !is.told && after.active) events_.push_back(std::string("no ") + name);
    };
    edge("stalled", before.stalled, after.stalled);
    edge("lagging", before.lagging, after.lagging);
    edge("disconnected", before.disconnected, after.disconnected);
    if (before.synced == false && after.synced == true) events_.push_back("synced");
    if (before.synced && after.rescan_time != before.rescan_time) events_.push_back("rescan");
  }

  absl::Time now_ = absl::FromUnixSeconds(1'780'000'000);
  std::vector<std::string> events_;
};

TEST_F(ToldTest, AStallIsToldWhenItLastsAndSoIsItsEnd) {
  Look();
  seen_.stalled = true;
  seen_.stall_cause = "UNSTABLE_NETWORK";
  Look(3);
  EXPECT_THAT(Told(), IsEmpty());
  Look();
  EXPECT_THAT(Told(), ElementsAre("stalled"));
  EXPECT_EQ(told_->stall_cause, "UNSTABLE_NETWORK");
  Look(10);
  EXPECT_THAT(Told(), IsEmpty()) << "once";
  seen_.stalled = false;
  Look(3);
  EXPECT_THAT(Told(), IsEmpty());
  Look();
  EXPECT_THAT(Told(), ElementsAre("no stalled"));
}

TEST_F(ToldTest, WhatComesAndGoesIsNotTold) {
  for (int i = 0; i < 50; ++i) {
    seen_.stalled = i % 3 != 0;
    seen_.silence = absl::Seconds(i % 2 == 0 ? 100 : 1);
    seen_.lag = absl::Minutes(i % 12 == 0 ? 0 : 10);
    Look();
  }
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(ToldTest, LagHasABoundATimeAndAnEndBelowHalfOfIt) {
  seen_.lag = absl::Minutes(4);
  Look(30);
  EXPECT_THAT(Told(), IsEmpty());
  seen_.lag = absl::Minutes(6);
  Look(12);
  EXPECT_THAT(Told(), IsEmpty());
  Look();
  EXPECT_THAT(Told(), ElementsAre("lagging"));
  for (int i = 0; i < 40; ++i) {
    seen_.lag = absl::Minutes(i % 2 == 0 ? 3 : 6);
    Look();
  }
  EXPECT_THAT(Told(), IsEmpty()) << "around the bound nothing is told";
  seen_.lag = absl::Minutes(2);
  Look(4);
  EXPECT_THAT(Told(), ElementsAre("no lagging"));
}

TEST_F(ToldTest, AnAgentIsLostWhenItWasHeardOfBefore) {
  seen_.silence.reset();
  Look(20);
  EXPECT_THAT(Told(), IsEmpty());
  seen_.silence = absl::Seconds(61);
  Look(4);
  EXPECT_THAT(Told(), ElementsAre("disconnected"));
  seen_.silence = absl::Seconds(1);
  Look(4);
  EXPECT_THAT(Told(), ElementsAre("no disconnected"));
}

TEST_F(ToldTest, InitialSyncIsToldOnceInEachLifeOfAReplication) {
  Look();
  seen_.has_point = seen_.flowing = true;
  Look(3);
  EXPECT_THAT(Told(), ElementsAre("synced"));
  seen_.flowing = false;  // connects again
  Look(3);
  seen_.paused = true;
  Look(3);
  seen_.paused = false;
  seen_.flowing = true;
  Look(3);
  EXPECT_THAT(Told(), IsEmpty());
  seen_.ended = true;
  Look(3);
  seen_.ended = seen_.flowing = false;  // begins anew; the points of before are still there
  Look(3);
  EXPECT_THAT(Told(), IsEmpty());
  seen_.has_point = false;
  Look();
  seen_.has_point = seen_.flowing = true;
  Look();
  EXPECT_THAT(Told(), ElementsAre("synced"));
}

TEST_F(ToldTest, ANewServerThatWasNeverLookedAtIsToldToBeSynced) {
  seen_.has_point = seen_.flowing = true;
  Look();
  EXPECT_THAT(Told(), ElementsAre("synced"));
}

TEST_F(ToldTest, WhatWasBeforeTheFirstLookIsNoNews) {
  told_ = ReplicationTold();
  seen_.has_point = seen_.flowing = true;
  seen_.rescan_time = absl::FromUnixSeconds(1'779'000'000);
  Look();
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_EQ(told_->synced, true);
  seen_.rescan_time = *seen_.rescan_time + absl::Seconds(1);
  seen_.rescan_reason = "marks were lost";
  Look(2);
  EXPECT_THAT(Told(), ElementsAre("rescan"));
  EXPECT_EQ(told_->rescan_reason, "marks were lost");
  seen_.rescan_time.reset();  // another process of the agent
  Look();
  EXPECT_THAT(Told(), IsEmpty());
}

TEST_F(ToldTest, AnEndOrAPauseIsNoRecovery) {
  Look();
  seen_.stalled = true;
  Look(5);
  EXPECT_THAT(Told(), ElementsAre("stalled"));
  seen_.stalled = false;
  seen_.ended = true;
  Look(5);
  EXPECT_THAT(Told(), IsEmpty());
  EXPECT_FALSE(told_->stalled.told);
}

TEST_F(ToldTest, WithNothingNewThereIsNothingToWrite) {
  seen_.has_point = seen_.flowing = true;
  seen_.lag = absl::Seconds(2);
  Look();
  const ReplicationTold before = *told_;
  seen_.lag = absl::Seconds(9);
  Look();
  EXPECT_EQ(*told_, before);
}

}  // namespace
}  // namespace godwit::registry
