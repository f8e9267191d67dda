// The order of turns, without time: servers that always have a piece, or now and then one.
#include "services/replication/worker/engine/turn_order.h"

#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "absl/strings/str_cat.h"

namespace godwit::worker {
namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr TurnOrder::Limits kOne = {.turns = 1, .bulk_turns = 1};

// Servers that ask again as soon as a piece of theirs is done; pieces end in the order of their
// beginning.
class Race {
 public:
  explicit Race(TurnOrder::Limits limits) : order_(limits) {}
  void Add(const std::string& server, std::int64_t piece, double weight = 1) {
    servers_.push_back({server, piece, weight});
    Ask(servers_.size() - 1);
  }
  void Run(int pieces) {
    for (int i = 0; i < pieces; ++i) {
      while (const auto ticket = order_.Next()) running_.push_back(*ticket);
      ASSERT_FALSE(running_.empty());
      const TurnOrder::Ticket done = running_.front();
      running_.pop_front();
      const std::size_t who = of_.at(done);
      bytes_[who] += servers_[who].piece;
      order_.Done(done);
      Ask(who);
    }
  }
  std::int64_t bytes(std::size_t server) { return bytes_[server]; }

 private:
  struct Server {
    std::string name;
    std::int64_t piece;
    double weight;
  };
  void Ask(std::size_t who) {
    of_[order_.Ask(servers_[who].name, servers_[who].piece, servers_[who].weight)] = who;
  }
  TurnOrder order_;
  std::vector<Server> servers_;
  std::map<TurnOrder::Ticket, std::size_t> of_;
  std::map<std::size_t, std::int64_t> bytes_;
  std::deque<TurnOrder::Ticket> running_;
};

TEST(TurnOrder, SharesAreOfBytesWhateverTheSizeOfThePieces) {
  Race race(kOne);
  race.Add("large", kMiB);
  race.Add("small", 64 << 10);
  race.Run(3400);  // 200 large ones and 3200 small ones
  EXPECT_NEAR(static_cast<double>(race.bytes(0)) / static_cast<double>(race.bytes(1)), 1, 0.02);
}

TEST(TurnOrder, SharesFollowTheWeights) {
  Race race({.turns = 3, .bulk_turns = 2});
  // Two lanes each: one that waits for its answer cannot use more than a turn.
  for (const double weight : {1.0, 2.0, 4.0}) {
    for (int lane = 0; lane < 2; ++lane) race.Add(absl::StrCat("w", weight), kMiB, weight);
  }
  race.Run(700);
  const auto of_server = [&](std::size_t i) {
    return static_cast<double>(race.bytes(2 * i) + race.bytes(2 * i + 1)) / kMiB;
  };
  EXPECT_NEAR(of_server(0), 100, 4);
  EXPECT_NEAR(of_server(1), 200, 4);
  EXPECT_NEAR(of_server(2), 400, 4);
}

TEST(TurnOrder, LanesOfOneServerShareItsPart) {
  Race race(kOne);
  for (int lane = 0; lane < 4; ++lane) race.Add("lanes", kMiB);
  race.Add("other", kMiB);
  race.Run(1000);
  EXPECT_NEAR(static_cast<double>(race.bytes(4)), 500.0 * kMiB, 4.0 * kMiB);
}

TEST(TurnOrder, WhoComesNowAndThenIsNextBehindWhatRuns) {
  TurnOrder order(kOne);
  for (int server = 0; server < 20; ++server) order.Ask(absl::StrCat("bulk", server), kMiB);
  const auto running = order.Next();
  ASSERT_TRUE(running);
  const TurnOrder::Ticket light = order.Ask("light", 4096);
  EXPECT_FALSE(order.Next()) << "the turn is taken";
  order.Done(*running);
  EXPECT_EQ(order.Next(), light);
}

TEST(TurnOrder, ASmallPieceNeedNotWaitForLargeOnesToEnd) {
  TurnOrder order({.turns = 3, .bulk_turns = 2, .bulk_bytes = kMiB});
  for (int server = 0; server < 4; ++server) order.Ask(absl::StrCat("bulk", server), kMiB);
  EXPECT_TRUE(order.Next());
  EXPECT_TRUE(order.Next());
  EXPECT_FALSE(order.Next()) << "large ones have two of three turns";
  const TurnOrder::Ticket light = order.Ask("light", kMiB - 1);
  EXPECT_EQ(order.Next(), light);
  EXPECT_FALSE(order.Next());
  EXPECT_EQ(order.running(), 3);
}

TEST(TurnOrder, AFloodOfSmallPiecesDoesNotStarveLargeOnes) {
  Race race({.turns = 3, .bulk_turns = 2});
  race.Add("bulk", kMiB);
  for (int server = 0; server < 10; ++server) race.Add(absl::StrCat("small", server), 1);
  race.Run(20000);
  // A piece of one byte counts as 16 KiB: 64 of each small server for each MiB.
  EXPECT_NEAR(static_cast<double>(race.bytes(0)) / kMiB, 20000.0 / (10 * 64 + 1), 2);
}

TEST(TurnOrder, ATurnIsFreeOnlyWhenNobodyWaitsWhoMayHaveIt) {
  TurnOrder order({.turns = 2, .bulk_turns = 2});
  const TurnOrder::Ticket only = order.Ask("only", kMiB);
  EXPECT_EQ(order.Next(), only) << "alone it goes at once";
  const TurnOrder::Ticket again = order.Ask("only", kMiB);
  EXPECT_EQ(order.Next(), again) << "and has all turns";
  order.Ask("only", kMiB);
  EXPECT_FALSE(order.Next());
  EXPECT_EQ(order.waiting(), 1u);
  EXPECT_EQ(order.running(), 2);
}

TEST(TurnOrder, WhoWasAloneForLongHasNoDebt) {
  TurnOrder order(kOne);
  for (int i = 0; i < 1000; ++i) {
    const TurnOrder::Ticket piece = order.Ask("long", kMiB);
    ASSERT_EQ(order.Next(), piece);
    if (i == 999) {
      const TurnOrder::Ticket other = order.Ask("new", kMiB);
      const TurnOrder::Ticket mine = order.Ask("long", kMiB);
      order.Ask("new", kMiB);
      order.Done(piece);
      EXPECT_EQ(order.Next(), other);
      order.Done(other);
      EXPECT_EQ(order.Next(), mine) << "the second of the new one is behind";
    } else {
      order.Done(piece);
    }
  }
}

TEST(TurnOrder, WhoLeavesTheQueueIsForgotten) {
  TurnOrder order(kOne);
  const TurnOrder::Ticket running = *[&] {
    order.Ask("a", 1);
    return order.Next();
  }();
  const TurnOrder::Ticket gone = order.Ask("b", kMiB);
  const TurnOrder::Ticket next = order.Ask("c", kMiB);
  order.Done(gone);
  order.Done(running);
  EXPECT_EQ(order.Next(), next);
  order.Done(next);
  order.Done(next);  // twice is harmless
  EXPECT_EQ(order.running(), 0);
  EXPECT_EQ(order.waiting(), 0u);
}

}  // namespace
}  // namespace godwit::worker
