// The log that holds interim epochs.
#include "services/replication/worker/store/delta_log.h"

#include "tests/unit/services/replication/worker/store/store_fixture.h"

namespace godwit::store {
namespace {

TEST_F(StoreTest, ATornLogEndsWithItsLastWholeRecord) {
  const std::vector<DiskSpec> disks = Disks();
  const std::string path = dir_ / "log";
  std::vector<std::uint64_t> ends;
  {
    ASSERT_OK_AND_ASSIGN(const auto log, DeltaLog::Create(path, disks));
    block::AlignedBuffer content(3 * kPageBytes);
    for (unsigned i = 1; i <= 3; ++i) {
      std::memset(content.data(), static_cast<int>(i), content.size());
      ASSERT_OK(log->Write(0, i * 8 - 1, content.bytes().first(1024)));
      ASSERT_OK(log->Write(1, 800, content.bytes()));
      replication::v1::StagedPoint facts;
      facts.set_epoch(i);
      ASSERT_OK(log->Commit(facts));
      ends.push_back(log->bytes());
    }
  }
  ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(path, std::size_t{1} << 20));
  for (std::size_t keep = 0; keep <= bytes.size(); keep += 512) {
    const std::string torn = dir_ / "torn";
    ASSERT_OK(
        WriteFileAtomically(torn, bytes.substr(0, keep) + std::string(bytes.size() - keep, '\7')));
    ASSERT_OK_AND_ASSIGN(const auto found, DeltaLog::Read(torn, disks));
    const auto whole =
        std::count_if(ends.begin(), ends.end(), [&](auto end) { return end <= keep; });
    EXPECT_EQ(found == nullptr ? 0 : found->committed.epoch(), whole) << keep;
    if (whole == 0) continue;
    // Sectors 7 to 9, 15 to 17 and 23 to 25: pages 0 to 3 as far as they were committed.
    EXPECT_EQ(found->committed_pages[0].size(), static_cast<std::size_t>(whole) + 1);
    EXPECT_EQ(found->committed_pages[1].size(), 3u);
    EXPECT_TRUE(found->committed_pages[1].begin()->second.whole());
  }
}

TEST_F(StoreTest, ALogOfOtherDisksIsTakenByTheirIds) {
  const std::vector<DiskSpec> disks = Disks();
  const std::string path = dir_ / "log";
  {
    ASSERT_OK_AND_ASSIGN(const auto log, DeltaLog::Create(path, disks));
    block::AlignedBuffer content(kPageBytes);
    ASSERT_OK(log->Write(1, 0, content.bytes()));
    replication::v1::StagedPoint facts;
    facts.set_epoch(7);
    ASSERT_OK(log->Commit(facts));
  }
  ASSERT_OK_AND_ASSIGN(const auto swapped, DeltaLog::Read(path, {disks[1], disks[0]}));
  EXPECT_EQ(swapped->committed_pages[0].size(), 1u);
  EXPECT_EQ(swapped->committed_pages[1].size(), 0u);
  std::vector<DiskSpec> resized = disks;
  resized[1].size_bytes += block::kBlockSize;
  EXPECT_THAT(DeltaLog::Read(path, resized).status(),
              StatusIs(absl::StatusCode::kDataLoss, "another size"));
}

}  // namespace
}  // namespace godwit::store
