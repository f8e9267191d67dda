#include "agent/engine/stages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace godwit::agent {
namespace {

using replication::v1::Bottleneck;

TEST(Stages, TheOneThatTakesMostOfTheTimeIsNamed) {
  FakeClock clock;
  Stages stages(clock);
  EXPECT_EQ(stages.Look().stage(), Bottleneck::STAGE_UNSPECIFIED) << "too early to say";
  clock.Advance(absl::Seconds(1));
  stages.Add(Bottleneck::SOURCE_READ, absl::Milliseconds(300));
  stages.Add(Bottleneck::LINK, absl::Milliseconds(500));
  stages.Add(Bottleneck::SOURCE_READ, absl::Milliseconds(100));
  const Bottleneck found = stages.Look();
  EXPECT_EQ(found.stage(), Bottleneck::LINK);
  EXPECT_EQ(found.busy_permille(), 500);
  EXPECT_THAT(found.action(), ::testing::HasSubstr("bandwidth"));
  EXPECT_EQ(stages.Look().stage(), Bottleneck::LINK) << "until a second has passed";
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(stages.Look().stage(), Bottleneck::IDLE);
}

}  // namespace
}  // namespace godwit::agent
