// What the settings allow to be sent, on a real device.
#include "tests/e2e/agent/replication_fixture.h"

namespace godwit::agent {
namespace {

class ThrottleTest : public ReplicationTest {
 protected:
  // Bytes that a compressor leaves as they are.
  void Fill(unsigned seed, int mebibytes) {
    for (unsigned i = 0; i < static_cast<unsigned>(mebibytes); ++i)
      loop_.Write(std::uint64_t{i} << 20, 1 << 20, seed + i);
  }
  std::int64_t Received() {
    const auto groups = host_->List();
    return groups.empty() ? 0 : groups[0].received_bytes;
  }
  // How long it takes, at most half a minute.
  template <typename Condition>
  absl::Duration Await(const Condition& condition) {
    const absl::Time from = absl::Now();
    while (!condition() && absl::Now() - from < absl::Seconds(30))
      absl::SleepFor(absl::Milliseconds(10));
    EXPECT_TRUE(condition());
    return absl::Now() - from;
  }
};

TEST_F(ThrottleTest, APauseKeepsTheStreamAndTracksAndSendsNothing) {
  settings_.set_sending_paused(true);
  StartAgent();
  Await([&] { return engine_->Progress().connected_generation() == generation_; });
  absl::SleepFor(absl::Milliseconds(500));
  EXPECT_EQ(Received(), 0);
  EXPECT_EQ(engine_->Progress().bottleneck().stage(), pb::Bottleneck::THROTTLE);
  EXPECT_EQ(engine_->Progress().bottleneck().busy_permille(), 1000);

  settings_.clear_sending_paused();
  ExpectReplicaEqualsSource();
  EXPECT_NE(engine_->Progress().bottleneck().stage(), pb::Bottleneck::THROTTLE);

  settings_.set_sending_paused(true);
  Direct("");
  absl::SleepFor(absl::Seconds(2));  // a cut that is under way ends
  const std::int64_t received = Received();
  std::size_t points = 0;
  {
    absl::MutexLock lock(&mutex_);
    points = points_.size();
  }
  Churn(1, 50);
  Await([&] { return engine_->Progress().disks(0).pending_bytes() > 0; });
  absl::SleepFor(absl::Seconds(2));
  EXPECT_EQ(Received(), received);
  EXPECT_EQ(engine_->Progress().connected_generation(), generation_);
  {
    absl::MutexLock lock(&mutex_);
    EXPECT_EQ(points_.size(), points);
  }
  settings_.clear_sending_paused();
  ExpectReplicaEqualsSource();
}

TEST_F(ThrottleTest, TheLimitIsExactAndANewOneCountsAtOnce) {
  constexpr std::int64_t kRate = std::int64_t{4} << 20;
  Fill(1, 60);
  settings_.set_bandwidth_limit_bytes_per_second(kRate);
  StartAgent();
  Await([&] { return Received() > 0; });
  const absl::Time from = absl::Now();
  const std::int64_t before = Received();
  absl::SleepFor(absl::Seconds(4));
  const double rate =
      static_cast<double>(Received() - before) / absl::ToDoubleSeconds(absl::Now() - from);
  EXPECT_LT(rate, kRate * 1.05);
  EXPECT_GT(rate, kRate * 0.9);  // other tests may take the processor
  RecordProperty("of_limit_permille", static_cast<int>(1000 * rate / kRate));
  EXPECT_EQ(engine_->Progress().bottleneck().stage(), pb::Bottleneck::THROTTLE);

  // Next to nothing, in the middle of a slice, and back to all.
  settings_.set_bandwidth_limit_bytes_per_second(20000);
  Direct("");
  absl::SleepFor(absl::Milliseconds(300));
  const std::int64_t slow = Received();
  absl::SleepFor(absl::Seconds(2));
  EXPECT_LE(Received() - slow, std::int64_t{2} * kBlockSize);
  settings_.set_bandwidth_limit_bytes_per_second(0);
  Direct("");
  EXPECT_LT(Await([&] { return Received() > slow + (8 << 20); }), absl::Seconds(10));
  ExpectReplicaEqualsSource();
}

TEST_F(ThrottleTest, PointsAreMadeUnderTheWorkersLimit) {
  constexpr std::int64_t kRate = std::int64_t{4} << 20;
  StopWorker();
  worker_options_.bandwidth_limit_bytes_per_second = kRate;
  StartWorker(2);
  Fill(3, 16);
  const absl::Time from = absl::Now();
  StartAgent();
  ExpectReplicaEqualsSource();
  EXPECT_GT(absl::Now() - from, absl::Seconds(3));
  for (unsigned round = 0; round < 3; ++round) {
    Churn(round, 20);
    ExpectReplicaEqualsSource();
  }
}

TEST_F(ThrottleTest, AnEngineThatStopsDoesNotWaitForItsLimit) {
  Fill(2, 8);
  settings_.set_bandwidth_limit_bytes_per_second(1);
  StartAgent();
  Await([&] { return engine_->Progress().connected_generation() == generation_; });
  absl::SleepFor(absl::Milliseconds(500));
  const absl::Time from = absl::Now();
  StopAgent();
  EXPECT_LT(absl::Now() - from, absl::Seconds(10));
}

}  // namespace
}  // namespace godwit::agent
