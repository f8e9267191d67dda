// Senders and a limit in simulated time.
#include "services/replication/worker/engine/fair_share.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"

namespace godwit::worker {
namespace {

constexpr std::int64_t kFrame = 1 << 20;
constexpr double kRate = 50e6;
constexpr double kTolerance = 0.05;

struct Sender {
  std::string server;
  double weight = 1;
  std::function<std::int64_t()> frame = [] { return kFrame; };
  // From being let go on until the next frame is there.
  std::function<absl::Duration(absl::Duration now)> work = [](absl::Duration) {
    return absl::Microseconds(700);
  };
};

class Simulation {
 public:
  explicit Simulation(double rate) : share_(static_cast<std::int64_t>(rate), clock_) {}

  void Add(Sender sender) {
    streams_.push_back({.sender = std::move(sender), .next = clock_.Monotonic()});
  }

  // Bytes of each stream in a further `span`.
  std::vector<double> Run(absl::Duration span) {
    std::vector<double> bytes(streams_.size());
    const absl::Duration end = clock_.Monotonic() + span;
    while (true) {
      std::size_t soonest = 0;
      for (std::size_t i = 1; i < streams_.size(); ++i) {
        if (streams_[i].next < streams_[soonest].next) soonest = i;
      }
      Stream& stream = streams_[soonest];
      if (stream.next >= end) break;
      if (stream.next > clock_.Monotonic()) clock_.Advance(stream.next - clock_.Monotonic());
      if (!stream.ticket) {
        const std::int64_t size = stream.sender.frame();
        bytes[soonest] += static_cast<double>(size);
        stream.ticket = share_.Ask(stream.sender.server, size, stream.sender.weight);
      }
      const absl::Duration wait = share_.Wait(*stream.ticket);
      if (wait == absl::ZeroDuration()) {
        stream.ticket.reset();
        stream.next = clock_.Monotonic() + stream.sender.work(clock_.Monotonic());
      } else {
        // A timer is late by up to a millisecond.
        stream.next = clock_.Monotonic() + wait + absl::Microseconds(random_() % 1000);
      }
    }
    if (end > clock_.Monotonic()) clock_.Advance(end - clock_.Monotonic());
    return bytes;
  }

  FairShare& share() { return share_; }
  FakeClock& clock() { return clock_; }

 private:
  struct Stream {
    Sender sender;
    absl::Duration next;
    std::optional<FairShare::Ticket> ticket;
  };
  FakeClock clock_;
  FairShare share_;
  std::vector<Stream> streams_;
  std::mt19937 random_{1};
};

void ExpectShares(const std::vector<double>& bytes, const std::vector<double>& expected,
                  absl::Duration span) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const double rate = bytes[i] / absl::ToDoubleSeconds(span);
    EXPECT_NEAR(rate, expected[i], expected[i] * kTolerance) << "stream " << i;
  }
}

TEST(FairShare, OneSenderHasAllOfIt) {
  for (const double rate : {10e6, 125e6, 1.25e9}) {
    Simulation simulation(rate);
    simulation.Add({.server = "a"});
    for (int i = 0; i < 5; ++i) {
      ExpectShares(simulation.Run(absl::Seconds(4)), {rate}, absl::Seconds(4));
    }
  }
}

TEST(FairShare, EqualShares) {
  Simulation simulation(kRate);
  for (int i = 0; i < 20; ++i) simulation.Add({.server = absl::StrCat(i)});
  // Every round, and frames come one by one: a whole number of them fits.
  const absl::Duration span = absl::Seconds(20);
  ExpectShares(simulation.Run(span), std::vector<double>(20, kRate / 20), span);
}

TEST(FairShare, TheTotalIsExactOverAFewSecondsWhateverTheFrames) {
  Simulation simulation(kRate);
  std::mt19937 random(3);
  for (int i = 0; i < 7; ++i) {
    simulation.Add(
        {.server = absl::StrCat(i),
         .frame = [&] { return std::int64_t{100} + static_cast<int>(random() % kFrame); },
         .work = [&](absl::Duration) { return absl::Microseconds(random() % 5000); }});
  }
  for (int i = 0; i < 10; ++i) {
    double total = 0;
    for (const double bytes : simulation.Run(absl::Seconds(2))) total += bytes;
    EXPECT_NEAR(total / 2, kRate, kRate * kTolerance);
  }
}

TEST(FairShare, SmallFramesGetAsMuchAsLargeOnes) {
  Simulation simulation(kRate);
  simulation.Add({.server = "small", .frame = [] { return std::int64_t{65536}; }});
  simulation.Add({.server = "large"});
  const absl::Duration span = absl::Seconds(4);
  ExpectShares(simulation.Run(span), {kRate / 2, kRate / 2}, span);
}

TEST(FairShare, WeightsCount) {
  Simulation simulation(kRate);
  simulation.Add({.server = "a", .weight = 3});
  simulation.Add({.server = "b", .weight = 1});
  simulation.Add({.server = "c", .weight = 1, .frame = [] { return std::int64_t{100000}; }});
  const absl::Duration span = absl::Seconds(10);
  ExpectShares(simulation.Run(span), {kRate * 0.6, kRate * 0.2, kRate * 0.2}, span);
}

TEST(FairShare, StreamsOfOneServerShareItsPart) {
  Simulation simulation(kRate);
  for (int i = 0; i < 3; ++i) simulation.Add({.server = "a"});
  simulation.Add({.server = "b"});
  const absl::Duration span = absl::Seconds(12);
  ExpectShares(simulation.Run(span), {kRate / 6, kRate / 6, kRate / 6, kRate / 2}, span);
}

TEST(FairShare, WhatASlowSenderLeavesGoesToTheOthers) {
  Simulation simulation(kRate);
  // 65536 bytes every 13.1 ms: 5 MB/s.
  simulation.Add({.server = "slow",
                  .frame = [] { return std::int64_t{65536}; },
                  .work = [](absl::Duration) { return absl::Microseconds(13107); }});
  simulation.Add({.server = "a"});
  simulation.Add({.server = "b"});
  const absl::Duration span = absl::Seconds(8);
  const std::vector<double> bytes = simulation.Run(span);
  const double seconds = absl::ToDoubleSeconds(span);
  EXPECT_NEAR((bytes[0] + bytes[1] + bytes[2]) / seconds, kRate, kRate * kTolerance);
  EXPECT_NEAR(bytes[1], bytes[2], bytes[1] * kTolerance);
  // Its frames wait behind at most one large one each.
  EXPECT_GT(bytes[0] / seconds, 65536 / 0.040);
}

TEST(FairShare, WhoGoesQuietLeavesAllToTheOtherAndComesBackToAFairShare) {
  Simulation simulation(kRate);
  const auto quiet_until = absl::Seconds(20);
  simulation.Add({.server = "a"});
  simulation.Add({.server = "b", .work = [&](absl::Duration now) {
                    return now > absl::Seconds(10) && now < quiet_until ? quiet_until - now
                                                                        : absl::Microseconds(700);
                  }});
  const absl::Duration span = absl::Seconds(4);
  simulation.Run(absl::Seconds(2));
  ExpectShares(simulation.Run(span), {kRate / 2, kRate / 2}, span);
  simulation.Run(absl::Seconds(5));
  EXPECT_NEAR(simulation.Run(span)[0] / 4, kRate, kRate * kTolerance);
  simulation.Run(absl::Seconds(6));  // b is back, and has not saved its share up
  ExpectShares(simulation.Run(span), {kRate / 2, kRate / 2}, span);
}

TEST(FairShare, ASenderSlowerThanItsWorkIsNotWaitedForForever) {
  Simulation simulation(1e9);
  simulation.Add({.server = "slow",
                  .frame = [] { return std::int64_t{65536}; },
                  .work = [](absl::Duration) { return absl::Milliseconds(5); }});
  for (int i = 0; i < 4; ++i) simulation.Add({.server = absl::StrCat(i)});
  double total = 0;
  for (const double bytes : simulation.Run(absl::Seconds(4))) total += bytes;
  EXPECT_NEAR(total / 4, 1e9, 1e9 * kTolerance);
}

TEST(FairShare, WhoLeavesHoldsNobodyUp) {
  Simulation simulation(kRate);
  FairShare& share = simulation.share();
  EXPECT_EQ(share.Wait(share.Ask("gone", kFrame)), absl::ZeroDuration());
  const FairShare::Ticket open = share.Ask("gone", 1 << 30);
  EXPECT_GT(share.Wait(open), absl::ZeroDuration());
  share.Cancel(open);
  share.Forget("gone");
  simulation.Add({.server = "a"});
  ExpectShares(simulation.Run(absl::Seconds(4)), {kRate}, absl::Seconds(4));
}

}  // namespace
}  // namespace godwit::worker
