#include "services/replication/worker/engine/session_lanes.h"

#include <gtest/gtest.h>

#include <thread>

#include "absl/time/clock.h"
#include "tests/support/status_matchers.h"

namespace godwit::worker {
namespace {

using ::godwit::testing::StatusIs;

TEST(SessionLanes, AFrameWaitsForThoseOfOtherLanesThatItComesAfter) {
  SessionLanes lanes(3);
  lanes.Took(1, 4, 0, 0);
  lanes.Took(2, 8, 0, 0);
  const std::vector<std::uint64_t> after = {5, 8};
  EXPECT_THAT(lanes.Await(after, absl::Milliseconds(10)),
              StatusIs(absl::StatusCode::kUnavailable, "lane 1 did not deliver frame 5, only 4"));
  std::thread other([&] {
    absl::SleepFor(absl::Milliseconds(20));
    lanes.Took(1, 5, 0, 0);
  });
  EXPECT_OK(lanes.Await(after, absl::Seconds(10)));
  other.join();
}

TEST(SessionLanes, TheEndOfOneIsTheEndOfAll) {
  SessionLanes lanes(2);
  const int group = 0, other_group = 0;
  absl::Status told;
  ASSERT_OK(lanes.Join(0, &group, [&](const absl::Status& status) { told = status; }));
  EXPECT_THAT(lanes.Join(1, &other_group, [](const absl::Status&) {}),
              StatusIs(absl::StatusCode::kUnavailable, "opened anew"));
  EXPECT_THAT(lanes.Join(0, &group, [](const absl::Status&) {}),
              StatusIs(absl::StatusCode::kInvalidArgument, "lane 0 is open already"));
  ASSERT_OK(lanes.Join(1, &group, [](const absl::Status&) {}));
  std::thread end([&] {
    absl::SleepFor(absl::Milliseconds(20));
    lanes.Leave(1, absl::DataLossError("damaged"));
  });
  EXPECT_THAT(lanes.Await({1}, absl::Seconds(10)),
              StatusIs(absl::StatusCode::kDataLoss, "damaged"));
  end.join();
  EXPECT_THAT(told, StatusIs(absl::StatusCode::kDataLoss, "damaged"));
  EXPECT_THAT(lanes.Join(1, &group, [](const absl::Status&) {}),
              StatusIs(absl::StatusCode::kUnavailable, "has ended"));
}

TEST(SessionLanes, ASyncMakesDurableWhatAllHadTakenWhenItBegan) {
  SessionLanes lanes(2);
  bool urgent = false;
  EXPECT_FALSE(lanes.Pending(100, &urgent));
  lanes.Took(0, 1, 60, 60);
  lanes.Took(1, 1, 30, 60);
  EXPECT_TRUE(lanes.Pending(100, &urgent));
  EXPECT_FALSE(urgent);
  lanes.Took(1, 2, 30, 60);
  EXPECT_TRUE(lanes.Pending(100, &urgent));
  EXPECT_TRUE(urgent);
  const std::vector<std::uint64_t> upto = lanes.BeginSync();
  lanes.Took(1, 3, 10, 10);
  lanes.Synced(upto);
  using Position = SessionLanes::Position;
  EXPECT_EQ(lanes.Positions(), (std::vector<Position>{{1, 1}, {3, 2}}));
  EXPECT_TRUE(lanes.Pending(100, &urgent));
  EXPECT_FALSE(urgent);
  lanes.WantFlush();
  EXPECT_TRUE(lanes.Pending(100, &urgent));
  EXPECT_TRUE(urgent);
  EXPECT_EQ(lanes.plain_bytes(), 190);
}

}  // namespace
}  // namespace godwit::worker
