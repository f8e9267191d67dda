#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/common/block/codec.h"
#include "services/common/block/hash.h"
#include "services/replication/worker/engine/frames.h"
#include "services/replication/worker/engine/lease_table.h"
#include "tests/support/status_matchers.h"

namespace godwit::worker {
namespace {

namespace pb = ::godwit::replication::v1;
using block::kBlockSize;
using ::godwit::testing::StatusIs;

// A disk of ten blocks, the last of 512 bytes.
constexpr std::uint64_t kDisk = 9 * kBlockSize + 512;

pb::Data Frame(std::uint64_t first, std::uint32_t present, std::size_t size) {
  pb::Data data;
  data.set_first_block(first);
  data.set_present(present);
  data.set_codec(pb::CODEC_NONE);
  std::string payload(size, '\0');
  for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i / kBlockSize + 'a');
  data.set_payload(payload);
  data.set_checksum(block::Checksum({reinterpret_cast<const std::uint8_t*>(payload.data()), size}));
  return data;
}

TEST(FrameDecoder, PresentBitsBecomeRuns) {
  FrameDecoder decoder;
  std::vector<std::pair<std::uint64_t, std::size_t>> runs;
  ASSERT_OK(
      decoder.Decode(Frame(2, 0b10110011, 4 * kBlockSize + 512), kDisk, [&](const BlockRun& run) {
        runs.emplace_back(run.first_block, run.bytes.size());
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(run.bytes.data()) % 4096, 0u);
        return absl::OkStatus();
      }));
  EXPECT_THAT(runs, ::testing::ElementsAre(std::pair(2, 2 * kBlockSize),
                                           std::pair(6, 2 * kBlockSize), std::pair(9, 512)));
}

TEST(FrameDecoder, BadFramesAreRefusedWithTheirField) {
  FrameDecoder decoder;
  const auto decode = [&](const pb::Data& data) {
    return decoder.Decode(data, kDisk, [](const BlockRun&) { return absl::OkStatus(); });
  };
  EXPECT_THAT(decode(Frame(0, 0, 0)), StatusIs(absl::StatusCode::kInvalidArgument, "data.present"));
  EXPECT_THAT(decode(Frame(0, 1u << 16, kBlockSize)),
              StatusIs(absl::StatusCode::kInvalidArgument, "data.present"));
  EXPECT_THAT(decode(Frame(10, 1, 512)),
              StatusIs(absl::StatusCode::kInvalidArgument, "data.first_block"));
  EXPECT_THAT(decode(Frame(UINT64_MAX, 1, 512)),
              StatusIs(absl::StatusCode::kInvalidArgument, "data.first_block"));
  EXPECT_THAT(decode(Frame(8, 0b101, kBlockSize)),
              StatusIs(absl::StatusCode::kInvalidArgument, "data.first_block"));
  EXPECT_THAT(decode(Frame(0, 1, kBlockSize - 1)),
              StatusIs(absl::StatusCode::kInvalidArgument, "data.payload"));
  EXPECT_THAT(decode(Frame(9, 1, kBlockSize)),
              StatusIs(absl::StatusCode::kInvalidArgument, "data.payload"));
  pb::Data codec = Frame(0, 1, kBlockSize);
  codec.set_codec(static_cast<pb::Codec>(77));
  EXPECT_THAT(decode(codec), StatusIs(absl::StatusCode::kInvalidArgument, "data.codec"));
  pb::Data bomb = Frame(0, 1, kBlockSize);
  bomb.set_codec(pb::CODEC_ZSTD);
  EXPECT_THAT(decode(bomb), StatusIs(absl::StatusCode::kDataLoss, "zstd"));
  pb::Data flipped = Frame(0, 1, kBlockSize);
  (*flipped.mutable_payload())[100] ^= 1;
  EXPECT_THAT(decode(flipped), StatusIs(absl::StatusCode::kDataLoss, "checksum"));
}

pb::Patch PatchOf(const std::vector<std::uint64_t>& runs, std::size_t bytes) {
  pb::Patch patch;
  patch.mutable_runs()->Add(runs.begin(), runs.end());
  patch.set_codec(pb::CODEC_NONE);
  patch.set_payload(std::string(bytes, 'p'));
  patch.set_checksum(block::Checksum(
      {reinterpret_cast<const std::uint8_t*>(patch.payload().data()), patch.payload().size()}));
  return patch;
}

TEST(FrameDecoder, PatchesAreRunsOfSectors) {
  FrameDecoder decoder;
  ASSERT_OK_AND_ASSIGN(const auto runs, decoder.Decode(PatchOf({3, 1, 100, 2}, 1536), kDisk));
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[1].sector, 100u);
  EXPECT_EQ(runs[1].bytes.size(), 1024u);
}

TEST(FrameDecoder, BadPatchesAreRefusedWithTheirField) {
  FrameDecoder decoder;
  const auto decode = [&](const pb::Patch& patch) { return decoder.Decode(patch, kDisk).status(); };
  const std::uint64_t sectors = kDisk / 512;
  for (const std::vector<std::uint64_t>& runs :
       std::vector<std::vector<std::uint64_t>>{{},
                                               {1},
                                               {0, 0},
                                               {sectors, 1},
                                               {sectors - 1, 2},
                                               {UINT64_MAX, 1},
                                               {0, UINT64_MAX},
                                               {5, 2, 6, 1},
                                               {0, 1500, 1500, 1500}}) {
    EXPECT_THAT(decode(PatchOf(runs, 512)),
                StatusIs(absl::StatusCode::kInvalidArgument, "patch.runs"));
  }
  EXPECT_THAT(decode(PatchOf({0, 2}, 512)),
              StatusIs(absl::StatusCode::kInvalidArgument, "patch.payload"));
  pb::Patch damaged = PatchOf({0, 1}, 512);
  damaged.set_checksum(1);
  EXPECT_THAT(decode(damaged), StatusIs(absl::StatusCode::kDataLoss, "patch.checksum"));
  damaged.set_codec(static_cast<pb::Codec>(9));
  EXPECT_THAT(decode(damaged), StatusIs(absl::StatusCode::kInvalidArgument, "patch.codec"));
}

TEST(Hashes, AreWholeDigestsInsideOfTheDisk) {
  const auto decode = [](std::uint64_t first, std::size_t bytes) {
    pb::Hashes hashes;
    hashes.set_first_block(first);
    std::string digests(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) digests[i] = static_cast<char>(i);
    hashes.set_digests(digests);
    return DecodeHashes(hashes, kDisk);
  };
  const auto two = decode(8, 32);
  ASSERT_OK(two);
  ASSERT_EQ(two->size(), 2u);
  EXPECT_EQ((*two)[1].bytes[0], 16);
  for (const std::size_t bytes : {0, 15, 17, 4097 * 16}) {
    EXPECT_THAT(decode(0, bytes), StatusIs(absl::StatusCode::kInvalidArgument, "hashes.digests"));
  }
  for (const std::uint64_t first : {std::uint64_t{9}, std::uint64_t{10}, UINT64_MAX}) {
    EXPECT_THAT(decode(first, 32),
                StatusIs(absl::StatusCode::kInvalidArgument, "hashes.first_block"));
  }
}

TEST(LeaseTable, StopsAtTwoThirdsAndNoticesAPause) {
  FakeClock clock;
  LeaseTable leases(clock);
  EXPECT_THAT(leases.Check("s-1", 5), StatusIs(absl::StatusCode::kAborted, "does not hold"));
  leases.Renew(clock.Monotonic(), absl::Seconds(30), {{"s-1", {.generation = 5}}});
  EXPECT_OK(leases.Check("s-1", 5));
  EXPECT_THAT(leases.Check("s-1", 4), StatusIs(absl::StatusCode::kAborted, "it holds 5"));
  clock.Advance(absl::Seconds(19));
  EXPECT_OK(leases.Check("s-1", 5));
  clock.Advance(absl::Seconds(1));
  EXPECT_EQ(leases.Check("s-1", 5).code(), absl::StatusCode::kUnavailable);
  // An answer counts from when it was asked for, not from when it came.
  const absl::Duration asked = clock.Monotonic();
  clock.Advance(absl::Seconds(25));
  leases.Renew(asked, absl::Seconds(30), {{"s-1", {.generation = 5}}});
  EXPECT_EQ(leases.Check("s-1", 5).code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace godwit::worker
