// Bits that change on the way to the worker: on the line, below TLS, and inside of frames, where
// only their checksums are left. See replication_fixture.h.
#include <cstdlib>

#include "absl/strings/match.h"
#include "services/common/base/failpoint.h"
#include "tests/e2e/agent/replication_fixture.h"
#include "tests/support/cut_line.h"

namespace godwit::agent {
namespace {

using ::godwit::testing::CutLine;

class DamageTest : public ReplicationTest {
 protected:
  // Failpoints are read once: before anything passes one.
  explicit DamageTest(const std::string& failpoints = "") {
    const std::string own = absl::StrCat("test.own_process:*:error,", failpoints);
    GODWIT_CHECK(setenv("GODWIT_FAILPOINT", own.c_str(), 1) == 0);
#ifdef GODWIT_FAILPOINTS
    GODWIT_CHECK(!HitFailpoint("test.own_process").ok());  // needs a process of its own
#endif
  }

  // Half of it cannot be compressed, half can.
  void Fill() {
    std::string text(1 << 20, 't');
    for (unsigned i = 0; i < kBytes >> 20; ++i) {
      const std::uint64_t at = std::uint64_t{i} << 20;
      if (i % 2 == 0) {
        loop_.Write(at, 1 << 20, i);
        continue;
      }
      for (std::size_t c = 0; c < text.size(); c += 97)
        text[c] = static_cast<char>('a' + i + c % 7);
      ASSERT_EQ(pwrite(loop_.fd(), text.data(), text.size(), static_cast<off_t>(at)),
                static_cast<ssize_t>(text.size()));
    }
    ASSERT_EQ(fsync(loop_.fd()), 0);
  }
  std::int64_t Damaged() {
    const auto groups = host_->List();
    return groups.empty() ? 0 : groups[0].hosted->damaged_count.load();
  }
};

TEST_F(DamageTest, FlippedBitsOnTheLineEndTheStreamAndNothingElse) {
  constexpr int kFlips = 12;
  Fill();
  std::mt19937_64 random(42);
  std::atomic<int> flips = 0;
  std::int64_t clean = 1 << 20;  // bytes until the next flip
  CutLine line(port_, [&](char* bytes, std::size_t count) {
    clean -= static_cast<std::int64_t>(count);
    if (clean >= 0 || flips >= kFlips) return;
    bytes[random() % count] ^= static_cast<char>(1 << (random() % 8));
    clean = static_cast<std::int64_t>(random() % (4 << 20));
    ++flips;
  });
  agent_port_ = line.port();
  StartAgent();
  for (unsigned i = 0; i < 600 && flips < kFlips; ++i) {
    Churn(i, 20);
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_EQ(flips, kFlips);
  ExpectReplicaEqualsSource();
  EXPECT_GT(line.connections(), kFlips / 2) << "a connection ends with the first of its flips";
  EXPECT_EQ(Damaged(), 0) << "TLS lets nothing damaged through";
  StopAgent();
}

#ifdef GODWIT_FAILPOINTS
class DamagedFrameTest : public DamageTest {
 protected:
  DamagedFrameTest()
      : DamageTest(
            "agent.send.damage_plain:3:error,agent.send.damage_packed:2:error,"
            "agent.send.damage_packed:5:error,agent.send.damage_patch:2:error") {}
};

TEST_F(DamagedFrameTest, AreRefusedAndSentAgain) {
  Fill();
  StartAgent();
  // Those of Data frames may be under way at the same time: the first ends the stream.
  bool of_data = false, of_patches = false;
  for (unsigned i = 0; i < 600 && !(of_data && of_patches); ++i) {
    if (i % 10 == 0) Churn(i, 5);
    const std::string error = engine_->Progress().error_message();
    of_data = of_data || absl::StartsWith(error, "data.checksum: ") ||
              absl::StartsWith(error, "data: payload: zstd: ");
    of_patches = of_patches || absl::StartsWith(error, "patch.checksum: ") ||
                 absl::StartsWith(error, "patch: payload: zstd: ");
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_TRUE(of_data);
  EXPECT_TRUE(of_patches);
  // The worker counts when a stream has ended, which the agent may hear of first.
  for (int i = 0; i < 500 && Damaged() < 2; ++i) absl::SleepFor(absl::Milliseconds(20));
  EXPECT_GE(Damaged(), 2);
  ExpectReplicaEqualsSource();
}

// The test of the test: a worker that does not look at checksums keeps what was damaged.
class UncheckedFrameTest : public DamageTest {
 protected:
  UncheckedFrameTest()
      : DamageTest("agent.send.damage_plain:3:error,worker.frames.skip_checksum:*:error") {}
};

TEST_F(UncheckedFrameTest, AreSeenByTheComparison) {
  Fill();
  const std::string content = loop_.Read();
  StartAgent();
  std::string replica;
  ReadPoint(AwaitPoint(""), &replica);
  EXPECT_EQ(Damaged(), 0);
  EXPECT_FALSE(replica == content);
}
#endif

}  // namespace
}  // namespace godwit::agent
