// Interim epochs, and what becomes of them.
#include "tests/unit/services/replication/worker/store/store_fixture.h"

namespace godwit::store {
namespace {

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
  EXPECT_EQ(backend_->Kept(kServer, Disks()[0].disk_id), 1);
  ASSERT_OK_AND_ASSIGN(const auto promoted, group_->Rest());
  ASSERT_TRUE(promoted.has_value());
  EXPECT_EQ(promoted->epoch, 6);
  ExpectPromoted();
  EXPECT_EQ(backend_->Kept(kServer, Disks()[0].disk_id), 2) << "interim epochs pile up";
  ASSERT_OK_AND_ASSIGN(const auto again, group_->Rest());
  EXPECT_FALSE(again.has_value());
  for (const std::int64_t epoch : {1, 6}) ExpectPoint(epoch);
  EXPECT_OK(backend_->Check());
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
  EXPECT_OK(backend_->Check());
}

// More than a log may hold without a commit goes to the volumes, and nothing is lost on the way.
TEST(InterimTest, ManyChangesLeaveTheLog) {
  TempDir dir;
  const auto backend = MakeBackend(dir.path());
  ASSERT_OK_AND_ASSIGN(const auto store, backend->Open());
  const std::vector<DiskSpec> disks = {{.disk_id = "d-00000000000000001",
                                        .device_name = "/dev/sda",
                                        .size_bytes = std::uint64_t{160} << 20,
                                        .is_boot_disk = true}};
  std::string content(disks[0].size_bytes, '\0');
  ASSERT_OK_AND_ASSIGN(auto group, backend->OpenGroup(*store, 1, disks));
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
  ASSERT_EQ(group->Points(10).size(), 2u);
  ASSERT_OK(group->Commit({.epoch = 3, .consistency = 1, .interim = true}));
  for (const std::int64_t epoch : {2, 3}) {
    ASSERT_OK_AND_ASSIGN(const auto clone, group->CreateClone(kClone, epoch));
    ASSERT_OK(
        backend->QemuImg({"convert", "-O", "raw"}, clone[0].path, {dir / "out"}, dir / "qemu.log"));
    ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(dir / "out", content.size() + 1));
    EXPECT_TRUE(bytes == (epoch == 2 ? at_two : content)) << epoch;
    ASSERT_OK(group->DeleteClone(kClone));
  }
}

}  // namespace
}  // namespace godwit::store
