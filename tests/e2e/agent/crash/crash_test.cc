// Points without a freeze, under load: every one must be a state that a power cut could have left.
#include <cstdlib>

#include "services/common/base/failpoint.h"
#include "tests/e2e/agent/crash/crash_fixture.h"

namespace godwit::agent {
namespace {

using ::godwit::testing::Finding;

class CrashFileSystemTest : public CrashTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(CrashFileSystemTest, EveryPointRecovers) {
  AddFileSystem("disk", GetParam(), 320);
  StartSource("disk", "disk", /*seed=*/1);
  TakePoints(100, absl::Minutes(2));
  StopSource();
  const Found found = CheckPoints();
  EXPECT_GE(found.points, 100);
  EXPECT_EQ(found.bad_points, 0) << found.first;
}

INSTANTIATE_TEST_SUITE_P(FileSystems, CrashFileSystemTest, ::testing::Values("ext4", "xfs"));

// Two disks, with requests or without, and how writes lie in the ring.
struct TwoDisks {
  DeviceKind log, data;
  WriteCapture::Records records;
};
class CrashTwoDisksTest : public CrashTest, public ::testing::WithParamInterface<TwoDisks> {};

// The log must be on its disk before the data that it is about is on the other one.
TEST_P(CrashTwoDisksTest, TheOrderBetweenThemIsKept) {
  records_ = GetParam().records;
  AddFileSystem("log", "ext4", 128, GetParam().log);
  AddFileSystem("data", "xfs", 320, GetParam().data);
  StartSource("data", "log", /*seed=*/2);
  LimitBandwidth(48 << 20);
  TakePoints(30, absl::Minutes(2));
  StopSource();
  const Found found = CheckPoints();
  EXPECT_GE(found.points, 30);
  EXPECT_EQ(found.bad_points, 0) << found.first;
}

INSTANTIATE_TEST_SUITE_P(
    Devices, CrashTwoDisksTest,
    ::testing::Values(
        TwoDisks{DeviceKind::kLoop, DeviceKind::kLoop, WriteCapture::Records::kDynamic},
        TwoDisks{DeviceKind::kZram, DeviceKind::kLoop, WriteCapture::Records::kDynamic},
        TwoDisks{DeviceKind::kLoop, DeviceKind::kZram, WriteCapture::Records::kFixed}),
    [](const auto& info) {
      return absl::StrCat(testing::KindName(info.param.log), testing::KindName(info.param.data),
                          info.param.records == WriteCapture::Records::kFixed ? "Fixed" : "");
    });

// Blocks and captured writes on four connections.
TEST_F(CrashTest, EveryPointRecoversWithSeveralLanes) {
  settings_.set_lane_count(4);
  AddFileSystem("log", "ext4", 128);
  AddFileSystem("data", "xfs", 320);
  StartSource("data", "log", /*seed=*/4);
  TakePoints(30, absl::Minutes(2));
  StopSource();
  const Found found = CheckPoints();
  EXPECT_GE(found.points, 30);
  EXPECT_EQ(found.bad_points, 0) << found.first;
}

#ifdef GODWIT_FAILPOINTS
// The test of the test, on the load of EveryPointRecovers: the blocks of a point as they were read,
// one after the other, without what was written meanwhile.
TEST_F(CrashTest, WithoutTheCapturedWritesPointsBreak) {
  ASSERT_EQ(setenv("GODWIT_FAILPOINT", "agent.cut.skip_redo:*:error", 1), 0);
  ASSERT_FALSE(HitFailpoint("agent.cut.skip_redo").ok()) << "needs a process of its own";
  AddFileSystem("disk", "ext4", 320);
  StartSource("disk", "disk", /*seed=*/1);
  TakePoints(40, absl::Minutes(2));
  StopSource();
  const Found found = CheckPoints();
  EXPECT_GE(found.by_kind[Finding::kLost], 1);
  EXPECT_GE(found.by_kind[Finding::kMount] + found.by_kind[Finding::kFileSystem] +
                found.by_kind[Finding::kRecovery] + found.by_kind[Finding::kContent],
            1);
}
#endif

}  // namespace
}  // namespace godwit::agent
