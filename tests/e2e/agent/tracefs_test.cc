// Tracking by trace events on a real device, and a replica kept by it.
#include "agent/tracker/tracefs_tracker.h"

#include <filesystem>
#include <set>

#include "tests/e2e/agent/replication_fixture.h"
#include "tests/e2e/agent/zram_device.h"

namespace godwit::agent {
namespace {

TEST(TracefsLines, AreParsed) {
  constexpr char kHead[] = "  kworker/0:1H-93  [000] d..1.   12.345678: block_rq_complete: 7,0 ";
  const auto parse = [&](const std::string& rest) { return ParseCompletion(kHead + rest); };
  EXPECT_EQ(parse("WS () 2048 + 8 none,0,0 [0]"), (TracedRange{2048, 8}));
  EXPECT_EQ(parse("W () 16 + 1024 [0]"), (TracedRange{16, 1024})) << "an older kernel";
  EXPECT_EQ(parse("DS () 0 + 4294967295 none,0,0 [0]"), (TracedRange{0, 4294967295}));
  EXPECT_EQ(parse("NS () 8 + 8 none,0,0 [0]"), (TracedRange{8, 8}));
  EXPECT_EQ(parse("N (28 00 00) 8 + 8 none,0,0 [0]"), (TracedRange{8, 8}));
  EXPECT_EQ(parse("RA () 2048 + 8 none,0,0 [0]"), std::nullopt);
  EXPECT_EQ(parse("FF () 18446744073709551615 + 0 none,0,0 [0]"), std::nullopt);
  EXPECT_EQ(parse("W () 18446744073709551615 + 8 none,0,0 [0]"), std::nullopt);
  for (const char* line : {"", "block_rq_complete: ", "block_rq_complete: 7,0 W", "nothing"})
    EXPECT_EQ(ParseCompletion(line), std::nullopt) << line;
}

class TracefsTest : public ReplicationTest {
 protected:
  std::string Instance() const {
    return absl::StrCat("/sys/kernel/tracing/instances/godwit-", device_.disk_id);
  }
};

TEST_F(TracefsTest, WhatChangedIsMarkedAndLossIsTold) {
  ASSERT_OK_AND_ASSIGN(auto tracker, StartTracefsTracker(device_, "the test wants it"));
  const auto take = [&] {
    std::set<std::uint64_t> marked;
    EXPECT_OK(tracker->Take(true, [&](std::uint64_t block) { marked.insert(block); }));
    return marked;
  };
  EXPECT_THAT(take(), ::testing::IsEmpty());
  loop_.Write(5 * kBlockSize + 512, 512, 1);
  loop_.Write(7 * kBlockSize - 512, 1024, 1);
  std::uint64_t range[2] = {std::uint64_t{32} << 20, 3 * kBlockSize};
  EXPECT_EQ(ioctl(loop_.fd(), BLKDISCARD, range), 0);
  EXPECT_THAT(take(), ::testing::ElementsAre(5, 6, 7, 512, 513, 514));
  EXPECT_THAT(take(), ::testing::IsEmpty());
  loop_.Read();
  EXPECT_THAT(take(), ::testing::IsEmpty());
  EXPECT_FALSE(tracker->TakeLost());
  // A buffer that is too small for what comes while nobody reads.
  {
    const Fd size(open((Instance() + "/buffer_size_kb").c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(write(size.get(), "4", 1), 1);
  }
  for (unsigned i = 0; i < 20000; ++i) loop_.Write(i % 1000 * kBlockSize, 512, i);
  take();
  EXPECT_TRUE(tracker->TakeLost());
  EXPECT_FALSE(tracker->TakeLost());
  EXPECT_OK(tracker->Detach());
  EXPECT_FALSE(std::filesystem::exists(Instance()));
}

TEST_F(TracefsTest, DevicesWithoutRequestsAreRefused) {
  testing::ZramDevice zram(std::uint64_t{1} << 20);
  const TrackedDevice device{.disk_id = device_.disk_id,
                             .major = zram.major_number(),
                             .first_minor = zram.minor_number(),
                             .size_bytes = zram.bytes()};
  EXPECT_THAT(StartTracefsTracker(device, "the test wants it"),
              testing::StatusIs(absl::StatusCode::kUnimplemented, "does not complete requests"));
  EXPECT_FALSE(std::filesystem::exists(Instance()));
}

TEST_F(TracefsTest, AReplicaIsKeptByIt) {
  tracefs_ = true;
  freeze_ = true;
  StartAgent();
  AwaitPoint("");
  for (unsigned round = 0; round < 3; ++round) {
    Churn(round, 200);
    ExpectReplicaEqualsSource();
  }
  StopAgent();
  EXPECT_FALSE(std::filesystem::exists(Instance()));
}

}  // namespace
}  // namespace godwit::agent
