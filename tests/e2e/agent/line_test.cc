// The line to the worker is cut again and again, or in one direction only. See
// replication_fixture.h.
#include "tests/e2e/agent/replication_fixture.h"
#include "tests/support/cut_line.h"

namespace godwit::agent {
namespace {

using ::godwit::testing::CutLine;

class LineTest : public ReplicationTest {
 protected:
  void StartOverLine() {
    line_ = std::make_unique<CutLine>(port_);
    agent_port_ = line_->port();
    StartAgent();
  }
  void TearDown() override {
    ReplicationTest::TearDown();
    line_.reset();
  }
  std::unique_ptr<CutLine> line_;
};

TEST_F(LineTest, AFlappingLineLosesNothingAndSendsLittleTwice) {
  StartOverLine();
  AwaitPoint("");
  const std::int64_t before = engine_->Progress().sent_bytes();
  std::mt19937 random(21);
  std::atomic<bool> done = false;
  std::atomic<int> writes = 0;
  std::thread writer([&] {
    std::mt19937 places(22);
    for (; !done; ++writes) {
      loop_.Write(places() % (kBytes / 4096) * 4096, 4096, places());
      absl::SleepFor(absl::Milliseconds(2));
    }
  });
  for (int i = 0; i < 150 && line_->connections() < 8; ++i) {
    absl::SleepFor(absl::Milliseconds(100 + random() % 700));
    line_->Cut(/*away=*/random() % 4 == 0);
  }
  line_->Cut(/*away=*/false);
  done = true;
  writer.join();
  EXPECT_GE(line_->connections(), 8);
  ExpectReplicaEqualsSource();
  // A block of 64 KiB at most for each write, and what a cut line made to be sent again.
  EXPECT_LT(engine_->Progress().sent_bytes() - before,
            (writes + 200) * std::int64_t{2 * kBlockSize});
}

TEST_F(LineTest, AfterALongAbsenceOnlyWhatChangedTravels) {
  StartOverLine();
  ExpectReplicaEqualsSource();
  line_->Cut(/*away=*/true);
  absl::SleepFor(absl::Milliseconds(500));
  const std::int64_t before = engine_->Progress().sent_bytes();
  constexpr int kChanged = 40;
  for (unsigned i = 0; i < kChanged; ++i) loop_.Write(i * 20 * kBlockSize, 4096, i);
  absl::SleepFor(absl::Seconds(2));
  line_->Cut(/*away=*/false);
  ExpectReplicaEqualsSource();
  EXPECT_LE(engine_->Progress().sent_bytes() - before,
            kChanged * std::int64_t{kBlockSize} + (1 << 20));
}

// In one direction nothing passes: the lag grows, at most the point that was under way is made, and
// when the line is good again the same connection goes on.
class OneWayTest : public LineTest, public ::testing::WithParamInterface<bool> {
 protected:
  std::size_t Points() {
    absl::MutexLock lock(&mutex_);
    return points_.size();
  }
};

TEST_P(OneWayTest, HoldsPointsUpAndLosesNothing) {
  StartOverLine();
  ExpectReplicaEqualsSource();
  const std::int64_t before = engine_->Progress().sent_bytes();
  const std::size_t points = Points();
  line_->Hold(/*up=*/GetParam(), /*down=*/!GetParam());
  constexpr int kChanged = 40;
  for (unsigned i = 0; i < kChanged; ++i) loop_.Write(i * 20 * kBlockSize, 4096, i);
  const absl::Time end = SteadyNow() + absl::Seconds(60);
  while (engine_->Progress().lag().seconds() < 3 && SteadyNow() < end) {
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_GE(engine_->Progress().lag().seconds(), 3) << "control: points go on being made";
  EXPECT_LE(Points(), points + 1);
  EXPECT_EQ(line_->connections(), 1);
  line_->Hold(false, false);
  ExpectReplicaEqualsSource();
  EXPECT_EQ(line_->connections(), 1);
  EXPECT_LE(engine_->Progress().sent_bytes() - before,
            kChanged * std::int64_t{kBlockSize} + (1 << 20));
}
INSTANTIATE_TEST_SUITE_P(Directions, OneWayTest, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& info) {
                           return info.param ? "Up" : "Down";
                         });

}  // namespace
}  // namespace godwit::agent
