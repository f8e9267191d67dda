#include "agent/engine/rate_limit.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

namespace godwit::agent {
namespace {

// A sender: charges of `size()` bytes with `work()` between them. Every span of 2 s or more must
// have the rate, within `tolerance`.
struct Sent {
  absl::Duration at;
  std::int64_t bytes;
};

template <typename Size, typename Work>
std::vector<Sent> Send(FakeClock& clock, RateLimit& limit, absl::Duration span, const Size& size,
                       const Work& work) {
  std::vector<Sent> sent;
  const absl::Duration end = clock.Monotonic() + span;
  while (clock.Monotonic() < end) {
    const std::int64_t bytes = std::min(size(), limit.BestCharge());
    limit.Charge(bytes);
    limit.Settle();
    sent.push_back({clock.Monotonic(), bytes});
    clock.Advance(work());
  }
  return sent;
}

void ExpectRate(const std::vector<Sent>& sent, double rate, double tolerance, bool at_least) {
  for (const absl::Duration span : {absl::Seconds(2), absl::Seconds(5)}) {
    std::size_t end = 0;
    std::int64_t bytes = 0;
    for (std::size_t begin = 0; begin < sent.size(); ++begin) {
      while (end < sent.size() && sent[end].at < sent[begin].at + span) bytes += sent[end++].bytes;
      if (end == sent.size()) break;
      const double measured = static_cast<double>(bytes) / absl::ToDoubleSeconds(span);
      ASSERT_LE(measured, rate * (1 + tolerance)) << "from " << sent[begin].at;
      if (at_least) {
        ASSERT_GE(measured, rate * (1 - tolerance)) << "from " << sent[begin].at;
      }
      bytes -= sent[begin].bytes;
    }
  }
}

constexpr std::int64_t kRates[] = {100'000, 1'000'000, 12'500'000, 125'000'000, 1'250'000'000};

TEST(RateLimit, IsExactForFramesOfAllSizes) {
  for (const std::int64_t rate : kRates) {
    SCOPED_TRACE(rate);
    FakeClock clock;
    RateLimit limit(clock);
    limit.SetRate(rate);
    std::mt19937 random(static_cast<unsigned>(rate));
    const auto sent = Send(
        clock, limit, absl::Seconds(20), [&] { return std::int64_t{1} << (random() % 21); },
        [&] { return absl::Microseconds(random() % 20); });
    // Small frames at a high rate are bounded by the work between them.
    ExpectRate(sent, static_cast<double>(rate), 0.05, /*at_least=*/rate <= 12'500'000);
  }
}

TEST(RateLimit, IsExactForWholeFramesAndSlowReads) {
  for (const std::int64_t rate : kRates) {
    SCOPED_TRACE(rate);
    FakeClock clock;
    RateLimit limit(clock);
    limit.SetRate(rate);
    // Reading takes up to 90 % of the time that the frame may take.
    std::mt19937 random(static_cast<unsigned>(rate));
    const double frame = std::min<double>(1 << 20, static_cast<double>(limit.BestCharge())) /
                         static_cast<double>(rate);
    const auto sent = Send(
        clock, limit, absl::Seconds(20), [] { return std::int64_t{1} << 20; },
        [&] { return absl::Seconds(frame * static_cast<double>(random() % 90) / 100); });
    ExpectRate(sent, static_cast<double>(rate), 0.05, /*at_least=*/true);
  }
}

TEST(RateLimit, AStallIsNotMadeUpForByABurst) {
  FakeClock clock;
  RateLimit limit(clock);
  limit.SetRate(10'000'000);
  int frame = 0;
  const auto sent = Send(
      clock, limit, absl::Seconds(30), [] { return std::int64_t{1} << 16; },
      [&] { return ++frame % 100 == 0 ? absl::Seconds(3) : absl::ZeroDuration(); });
  ExpectRate(sent, 10'000'000, 0.05, /*at_least=*/false);
}

TEST(RateLimit, ANewRateCountsAtOnceAlsoForWhoWaits) {
  FakeClock clock;
  RateLimit limit(clock);
  limit.SetRate(1000);
  limit.Charge(1'000'000);
  EXPECT_EQ(limit.Debt(), absl::Seconds(1000));
  limit.SetRate(1'000'000);
  EXPECT_EQ(limit.Debt(), absl::Seconds(1));
  limit.SetRate(0);
  EXPECT_EQ(limit.Debt(), absl::ZeroDuration());
  limit.Charge(1 << 30);
  EXPECT_EQ(limit.Debt(), absl::ZeroDuration());
  EXPECT_EQ(limit.BestCharge(), INT64_MAX);

  RateLimit real(RealClock());
  real.SetRate(1);
  real.Charge(1'000'000);
  const absl::Duration from = RealClock().Monotonic();
  std::thread other([&] { real.SetRate(0); });
  real.Settle();
  other.join();
  EXPECT_LT(RealClock().Monotonic() - from, absl::Seconds(5));
}

TEST(RateLimit, SaysHowLongItHeldUp) {
  FakeClock clock;
  RateLimit limit(clock);
  limit.SetRate(1'000'000);
  EXPECT_EQ(limit.TakeWait(), absl::ZeroDuration());
  limit.Charge(750'000);
  limit.Settle();
  clock.Advance(absl::Milliseconds(250));
  EXPECT_EQ(limit.TakeWait(), absl::Milliseconds(750));
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(limit.TakeWait(), absl::ZeroDuration());
}

}  // namespace
}  // namespace godwit::agent
