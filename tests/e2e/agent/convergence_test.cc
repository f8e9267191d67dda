// A source that writes faster than its agent may send. See replication_fixture.h.
#include "tests/e2e/agent/replication_fixture.h"

namespace godwit::agent {
namespace {

class ForecastTest : public ReplicationTest {
 protected:
  template <typename Condition>
  bool Await(const Condition& condition, absl::Duration patience) {
    for (const absl::Time end = absl::Now() + patience; absl::Now() < end;) {
      if (condition(engine_->Progress())) return true;
      absl::SleepFor(absl::Milliseconds(50));
    }
    return false;
  }
};

TEST_F(ForecastTest, IsForecastAndItsAbsenceIsPredictedAndTakenBack) {
  // Little may be captured, so that the disk is copied by marks, as one a hundred times as large.
  max_redo_bytes_ = 8 << 20;
  convergence_ = {.patience = absl::Seconds(8), .calm = absl::Seconds(3), .least_bytes = 4 << 20};
  settings_.set_bandwidth_limit_bytes_per_second(6 << 20);
  for (unsigned i = 0; i < kBytes >> 20; ++i) loop_.Write(std::uint64_t{i} << 20, 1 << 20, i);
  StartAgent();
  EXPECT_TRUE(
      Await([](const pb::AgentProgress& p) { return p.has_converges_in(); }, absl::Seconds(30)));
  const pb::AgentProgress forecast = engine_->Progress();
  EXPECT_EQ(forecast.stall_cause(), pb::Replication::STALL_CAUSE_UNSPECIFIED);
  EXPECT_LE(forecast.converges_in().seconds(), 12) << "64 MiB at 6 MiB/s";

  std::atomic<bool> writing = true;
  std::thread writer([&] {
    std::mt19937 random(5);
    const absl::Time begin = absl::Now();
    for (unsigned i = 0; writing; ++i) {  // 32 MiB/s
      loop_.Write(random() % (kBytes / kBlockSize) * kBlockSize, kBlockSize, random());
      absl::SleepFor(begin + absl::Seconds(1) * i / 512 - absl::Now());
    }
  });
  const auto predicted = [](const pb::AgentProgress& p) {
    return p.stall_cause() == pb::Replication::NOT_CONVERGING;
  };
  EXPECT_TRUE(Await(predicted, absl::Seconds(60))) << engine_->Progress().ShortDebugString();
  const pb::AgentProgress stalled = engine_->Progress();
  EXPECT_THAT(stalled.error_message(), ::testing::HasSubstr("not converging: changes "));
  EXPECT_THAT(stalled.error_message(), ::testing::HasSubstr("the bandwidth limit of 6.0 MiB/s"));
  EXPECT_GT(stalled.changed_bytes_per_second(), 4 << 20);
  EXPECT_FALSE(stalled.has_converges_in());
  EXPECT_EQ(stalled.abandoned_cut_count(), 0) << "said before anything failed";

  writing = false;
  writer.join();
  EXPECT_TRUE(Await([&](const pb::AgentProgress& p) { return !predicted(p); }, absl::Seconds(30)));
  ExpectReplicaEqualsSource();
  EXPECT_EQ(engine_->Progress().error_message(), "");
}

}  // namespace
}  // namespace godwit::agent
