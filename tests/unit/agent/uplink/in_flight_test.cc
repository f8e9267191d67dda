#include "agent/uplink/in_flight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace godwit::agent {
namespace {

InFlight Data(std::uint64_t first, std::int64_t bytes = 1 << 20, std::uint32_t disk = 0) {
  return {.disk = disk, .blocks = {first, 0xffff}, .bytes = bytes};
}
InFlight Zeros(std::uint64_t first, std::uint64_t count) {
  return {.zero_first = first, .zero_count = count};
}

TEST(InFlightList, TakesTheLaneWithTheLeastUnderWay) {
  InFlightList list(3);
  EXPECT_EQ(list.Add(*list.LaneFor(Data(0)), Data(0), {}), 1u);
  EXPECT_EQ(list.LaneFor(Data(16)), 1);
  list.Add(1, Data(16, 65536), {});
  EXPECT_EQ(list.LaneFor(Data(32)), 2);
  list.Add(2, Data(32), {});
  EXPECT_EQ(list.LaneFor(Data(48)), 1);
  EXPECT_EQ(list.window_bytes(), (2 << 20) + 65536);
  list.Received(0, 1, {});
  EXPECT_EQ(list.LaneFor(Data(48)), 0);
  EXPECT_FALSE(list.empty()) << "not durable";
}

TEST(InFlightList, ABlockStaysOnItsLaneUntilItWasTaken) {
  InFlightList list(4);
  list.Add(2, Data(100), {});
  EXPECT_EQ(list.LaneFor(Data(115)), 2);
  EXPECT_EQ(list.LaneFor(Zeros(90, 11)), 2);
  EXPECT_NE(list.LaneFor(Data(116)), 2);
  EXPECT_NE(list.LaneFor(Data(100, 1 << 20, /*disk=*/1)), 2) << "of another disk";
  list.Add(3, Zeros(200, 1000), {});
  EXPECT_EQ(list.LaneFor(Data(1199)), 3);
  EXPECT_EQ(list.LaneFor(Zeros(110, 100)), std::nullopt) << "it is of two lanes";
  list.Received(3, 1, {});
  EXPECT_EQ(list.LaneFor(Zeros(110, 100)), 2);
  list.Received(2, 1, {});
  EXPECT_EQ(list.LaneFor(Zeros(110, 100)), 0);
}

TEST(InFlightList, WhatIsDurableComesInTheOrderOfSending) {
  InFlightList list(2);
  list.Add(1, Data(0), {});
  list.Add(0, Data(16), {});
  list.Add(1, Data(32), {});
  list.Add(0, Data(48), {});
  const auto firsts = [](const std::vector<InFlight>& frames) {
    std::vector<std::uint64_t> out;
    for (const InFlight& frame : frames) out.push_back(frame.blocks.first_block);
    return out;
  };
  EXPECT_THAT(firsts(list.Durable({1, 2})), ::testing::ElementsAre(0, 16, 32));
  EXPECT_THAT(firsts(list.Durable({2, 2})), ::testing::ElementsAre(48));
  EXPECT_TRUE(list.empty());
}

TEST(InFlightList, FramesWithoutContentOnlyCount) {
  InFlightList list(2);
  EXPECT_EQ(list.Add(0, {}, {}), 1u);
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.sequence(0), 1u);
  EXPECT_EQ(list.sequence(1), 0u);
}

TEST(InFlightList, ARoundTripIsOfAFrameThatFoundTheLineEmpty) {
  InFlightList list(2);
  list.Add(0, Data(0), absl::Seconds(10));
  list.Add(1, Data(16), absl::Seconds(11));
  EXPECT_EQ(list.Received(1, 1, absl::Seconds(13)), std::nullopt);
  EXPECT_EQ(list.Received(0, 1, absl::Seconds(14)), absl::Seconds(4));
  EXPECT_EQ(list.Received(0, 1, absl::Seconds(15)), std::nullopt) << "told once";
}

// Frames of random blocks, received by lanes in random order: what the worker wrote last of each
// block is what was sent last.
TEST(InFlightList, TheNewestContentOfABlockWinsWhateverTheLanesDo) {
  const unsigned seed = 20;
  std::mt19937 random(seed);
  for (int lanes : {1, 2, 3, 8}) {
    InFlightList list(lanes);
    struct OnItsWay {
      std::uint64_t first, end;
      int version;
    };
    std::vector<std::deque<OnItsWay>> ways(static_cast<std::size_t>(lanes));
    std::vector<std::uint64_t> taken(static_cast<std::size_t>(lanes));
    std::vector<int> wanted(400), there(400);
    const auto take = [&](std::size_t lane) {
      for (std::uint64_t b = ways[lane].front().first; b < ways[lane].front().end; ++b)
        there[b] = ways[lane].front().version;
      ways[lane].pop_front();
      list.Received(static_cast<int>(lane), ++taken[lane], {});
    };
    const auto under_way = [&] {
      std::vector<std::size_t> busy;
      for (std::size_t i = 0; i < ways.size(); ++i) {
        if (!ways[i].empty()) busy.push_back(i);
      }
      return busy;
    };
    for (int version = 1; version < 5000; ++version) {
      const bool zero = random() % 4 == 0;
      const std::uint64_t first = random() % 300, count = zero ? 1 + random() % 100 : 16;
      const InFlight frame = zero ? Zeros(first, count) : Data(first, 1 + random() % 1000);
      while (true) {
        const auto busy = under_way();
        const auto lane = list.LaneFor(frame);
        if (lane && (busy.size() < 2 || random() % 3 != 0)) {
          list.Add(*lane, frame, {});
          ways[static_cast<std::size_t>(*lane)].push_back({first, first + count, version});
          break;
        }
        ASSERT_FALSE(busy.empty()) << "seed " << seed;
        take(busy[random() % busy.size()]);
      }
      for (std::uint64_t b = first; b < first + count; ++b) wanted[b] = version;
    }
    for (auto busy = under_way(); !busy.empty(); busy = under_way()) take(busy[0]);
    EXPECT_EQ(there, wanted) << "seed " << seed << ", " << lanes << " lanes";
    EXPECT_EQ(list.window_bytes(), 0);
  }
}

}  // namespace
}  // namespace godwit::agent
