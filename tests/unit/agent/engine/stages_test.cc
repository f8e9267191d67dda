#include "agent/engine/stages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace godwit::agent {
namespace {

using replication::v1::Bottleneck;
using ::testing::HasSubstr;

TEST(Stages, TheOneThatTakesMostOfTheTimeIsNamed) {
  FakeClock clock;
  Stages stages(clock);
  EXPECT_EQ(stages.Look().stage(), Bottleneck::STAGE_UNSPECIFIED) << "too early to say";
  clock.Advance(absl::Seconds(1));
  stages.Add(Bottleneck::SOURCE_READ, absl::Milliseconds(300));
  stages.AddWaits(absl::Milliseconds(400), absl::Milliseconds(100), WorkerWork{});
  stages.Add(Bottleneck::SOURCE_READ, absl::Milliseconds(100));
  const Bottleneck found = stages.Look();
  EXPECT_EQ(found.stage(), Bottleneck::LINK);
  EXPECT_EQ(found.busy_permille(), 500);
  EXPECT_THAT(found.action(), HasSubstr("bandwidth"));
  ASSERT_EQ(found.shares_size(), 2);
  EXPECT_EQ(found.shares(1).stage(), Bottleneck::SOURCE_READ);
  EXPECT_EQ(found.shares(1).permille(), 400);
  EXPECT_EQ(stages.Look().stage(), Bottleneck::LINK) << "until a second has passed";
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(stages.Look().stage(), Bottleneck::IDLE) << "nothing is left of the second before";
}

// A second in which the agent waited 800 ms, on the line and for answers.
Bottleneck Waited(const std::optional<WorkerWork>& work) {
  return NameBottleneck({.elapsed = absl::Seconds(1),
                         .line = absl::Milliseconds(500),
                         .worker = absl::Milliseconds(300),
                         .work = work});
}

TEST(Bottleneck, WhatTheAgentWaitsForIsWhatTheWorkerDoes) {
  const auto ms = [](int n) { return absl::Milliseconds(n); };
  const struct {
    WorkerWork work;
    Bottleneck::Stage stage;
    const char* action;
  } cases[] = {
      {{.verify = ms(700), .write = ms(90), .sync = ms(90)}, Bottleneck::WORKER_CPU, "processors"},
      {{.verify = ms(90), .write = ms(700), .sync = ms(90)},
       Bottleneck::WORKER_DISK,
       "faster disks"},
      {{.verify = ms(90), .write = ms(90), .sync = ms(700)},
       Bottleneck::WORKER_SYNC,
       "write cache"},
      {{.write = ms(100), .turn = ms(800)}, Bottleneck::WORKER_SHARE, "share weight"},
      {{.write = ms(100), .limit = ms(800)}, Bottleneck::THROTTLE, "limit of the server or of its"},
  };
  for (const auto& each : cases) {
    const Bottleneck found = Waited(each.work);
    EXPECT_EQ(found.stage(), each.stage) << found.ShortDebugString();
    EXPECT_THAT(found.action(), HasSubstr(each.action));
    EXPECT_GT(found.busy_permille(), 600);
    EXPECT_LE(found.busy_permille(), 800) << "no more than the agent waited";
  }
}

TEST(Bottleneck, AWorkerWithLittleToDoIsWaitedForBecauseOfTheLine) {
  const Bottleneck found = Waited(WorkerWork{.verify = absl::Milliseconds(50),
                                             .write = absl::Milliseconds(50),
                                             .sync = absl::Milliseconds(50)});
  EXPECT_EQ(found.stage(), Bottleneck::LINK);
  EXPECT_EQ(found.busy_permille(), 650);
  EXPECT_EQ(found.shares_size(), 4);
}

TEST(Bottleneck, AWorkerThatIsBusyWhileNobodyWaitsHoldsNothingUp) {
  StageTimes times{.elapsed = absl::Seconds(1), .work = WorkerWork{.sync = absl::Seconds(1)}};
  times.own[Bottleneck::SOURCE_READ] = absl::Milliseconds(250);
  EXPECT_EQ(NameBottleneck(times).stage(), Bottleneck::SOURCE_READ);
}

TEST(Bottleneck, PointsThatWaitForTheDatabaseAreNamedThoughNobodyWaitsForThem) {
  const Bottleneck found = NameBottleneck(
      {.elapsed = absl::Seconds(2),
       .line = absl::Milliseconds(100),
       .work = WorkerWork{.write = absl::Milliseconds(100), .database = absl::Milliseconds(1500)}});
  EXPECT_EQ(found.stage(), Bottleneck::DATABASE);
  EXPECT_EQ(found.busy_permille(), 750);
  EXPECT_THAT(found.action(), HasSubstr("database"));
}

TEST(Bottleneck, AWorkerThatDoesNotTellIsOneStage) {
  EXPECT_EQ(Waited(std::nullopt).stage(), Bottleneck::LINK);
  StageTimes times{.elapsed = absl::Seconds(1), .worker = absl::Milliseconds(600)};
  EXPECT_EQ(NameBottleneck(times).stage(), Bottleneck::WORKER_DISK);
}

}  // namespace
}  // namespace godwit::agent
