// Interim epochs, the log that holds them, and what becomes of it.
#include "services/replication/worker/store/delta_log.h"

#include "tests/unit/services/replication/worker/store/store_fixture.h"

namespace godwit::store {
namespace {

std::size_t Count(const std::string& folder, const std::string& part) {
  std::size_t found = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    found += entry.path().string().find(part) != std::string::npos ? 1 : 0;
  return found;
}

TEST_F(StoreTest, AnInterimEpochIsNoPointUntilNothingComesAfterIt) {
  ASSERT_OK(Write(0, 0, 8, 'a'));
  Commit();
  for (int i = 0; i < 5; ++i) {
    ASSERT_OK(Patch(0, 8 + static_cast<std::uint64_t>(i) * 40, 8, static_cast<char>('b' + i)));
    ASSERT_OK(Patch(1, 3, 2, static_cast<char>('B' + i)));
    Commit(/*interim=*/true);
    ASSERT_EQ(interim_.size(), 1u);
  }
  EXPECT_EQ(group_->committed_epoch(), 6);
  EXPECT_EQ(group_->Points(10).size(), 1u);
  EXPECT_EQ(Count(dir_ / "store", "/delta-1.log"), 1u);
  ASSERT_OK_AND_ASSIGN(const auto promoted, group_->Rest());
  ASSERT_TRUE(promoted.has_value());
  EXPECT_EQ(promoted->epoch, 6);
  ExpectPromoted();
  EXPECT_EQ(Count(dir_ / "store", "/delta-"), 0u);
  ASSERT_OK_AND_ASSIGN(const auto again, group_->Rest());
  EXPECT_FALSE(again.has_value());
  for (const std::int64_t epoch : {1, 6}) ExpectPoint(epoch);
  CheckLayers();
}

TEST_F(StoreTest, WhatCameAfterAnInterimEpochIsKeptForTheNext) {
  ASSERT_OK(Write(0, 0, 8, 'a'));
  ASSERT_OK(Write(1, 24, 2, 'a'));
  Commit();
  ASSERT_OK(Patch(0, 1000, 3, 'b'));
  ASSERT_OK(Patch(1, 25 * 128 + 1, 2, 'c'));  // in the short last block
  Commit(/*interim=*/true);
  const Content at_interim = now_;
  ASSERT_OK(Patch(0, 1001, 1, 'd'));
  ASSERT_OK(Write(1, 2, 3, 'e'));
  ASSERT_OK(Zero(0, 0, 2));
  ASSERT_OK(group_->Sync());
  for (int round = 0; round < 2; ++round) {  // another worker, then the same one again
    Open(generation_ + 1 - round);
    ExpectPoint(2);
    EXPECT_EQ(group_->committed_epoch(), 2);
  }
  EXPECT_NE(now_, at_interim);
  Commit();
  ExpectPoint(3);
  CheckLayers();
}

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

// More than a log may hold without a commit goes to the volumes, and nothing is lost on the way.
TEST(DeltaLogTest, ManyChangesLeaveTheLog) {
  TempDir dir;
  TestStore store(dir / "store", dir / "master.keys");
  const std::vector<DiskSpec> disks = {{.disk_id = "d-00000000000000001",
                                        .device_name = "/dev/sda",
                                        .size_bytes = std::uint64_t{160} << 20,
                                        .is_boot_disk = true}};
  std::string content(disks[0].size_bytes, '\0');
  ASSERT_OK_AND_ASSIGN(auto group, store.Open(1, disks));
  block::AlignedBuffer buffer(block::kMaxFrameBlocks * block::kBlockSize);
  ASSERT_OK(group->Write(0, 0, buffer.bytes()));
  ASSERT_OK(group->Commit({.epoch = 1, .consistency = 1}));
  const auto patch = [&](std::size_t megabyte, int value) {
    std::memset(buffer.data(), value, buffer.size());
    std::memset(content.data() + (megabyte << 20) + 512, value, buffer.size() - 1024);
    return group->Patch(0,
                        {{megabyte * 2048 + 1, buffer.bytes().subspan(0, buffer.size() - 1024)}});
  };
  ASSERT_OK(patch(3, 1));
  ASSERT_OK(group->Commit({.epoch = 2, .consistency = 1, .interim = true}));
  const std::string at_two = content;
  for (std::size_t i = 0; i < 140; ++i) ASSERT_OK(patch(i, static_cast<int>(i + 2)));
  EXPECT_EQ(Count(dir / "store", "/delta-"), 0u);
  ASSERT_EQ(group->Points(10).size(), 2u);
  ASSERT_OK(group->Commit({.epoch = 3, .consistency = 1, .interim = true}));
  for (const std::int64_t epoch : {2, 3}) {
    ASSERT_OK_AND_ASSIGN(const auto clone, group->CreateClone(kClone, epoch));
    ASSERT_OK(
        store.QemuImg({"convert", "-O", "raw"}, clone[0].path, {dir / "out"}, dir / "qemu.log"));
    ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(dir / "out", content.size() + 1));
    EXPECT_TRUE(bytes == (epoch == 2 ? at_two : content)) << epoch;
    ASSERT_OK(group->DeleteClone(kClone));
  }
}

}  // namespace
}  // namespace godwit::store
