#include "agent/engine/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace godwit::agent {
namespace {

using replication::v1::CaptureHealth;
using replication::v1::Loss;
using ::testing::HasSubstr;

TEST(Health, TellsWhatIsNotZeroAndWhyDisksWereCompared) {
  Health health;
  EXPECT_EQ(health.Report({}, {}).ByteSizeLong(), 0u) << "nothing to tell";
  health.Rescan("d-1", "marks may be lost");
  health.Rescan("d-2", "the replica is not where this agent left it");
  const TrackerLosses both = TrackerLosses{.passthrough = 2} + TrackerLosses{.passthrough = 1};
  const CaptureHealth report = health.Report(both, {.dropped = 4});
  ASSERT_EQ(report.losses_size(), 2);
  EXPECT_EQ(report.losses(0).kind(), Loss::PASSTHROUGH);
  EXPECT_EQ(report.losses(0).count(), 3);
  EXPECT_EQ(report.losses(1).kind(), Loss::CAPTURE_DROPPED);
  EXPECT_EQ(report.losses(1).count(), 4);
  EXPECT_EQ(report.rescan_count(), 2);
  EXPECT_EQ(report.rescan_reason(), "d-2: the replica is not where this agent left it");
  EXPECT_TRUE(report.has_rescan_time());
}

TEST(Health, EveryCounterHasAKindOfItsOwn) {
  const TrackerLosses marks = {.out_of_range = 1,
                               .passthrough = 2,
                               .ranges_dropped = 3,
                               .recursion_misses = 4,
                               .completions_missed = 5,
                               .events_lost = 6};
  const CaptureLosses writes = {
      .dropped = 7, .too_large = 8, .unreadable = 9, .late = 10, .misses = 11};
  const CaptureHealth report = Health().Report(marks, writes);
  ASSERT_EQ(report.losses_size(), 11);
  for (const Loss& loss : report.losses()) EXPECT_EQ(loss.count(), loss.kind());
  EXPECT_THAT(LossesText(marks + marks), HasSubstr("2 requests outside of the disk, 4 pass"));
  EXPECT_EQ(LossesText({}), "");
}

}  // namespace
}  // namespace godwit::agent
