// Points, generations and clones of a staging store.
#include "tests/unit/services/replication/worker/store/store_fixture.h"

namespace godwit::store {
namespace {

TEST_F(StoreTest, EveryPointKeepsWhatTheDisksWere) {
  EXPECT_TRUE(group_->Empty(0));
  ASSERT_OK(Write(0, 0, 3, 'a'));
  ASSERT_OK(Write(1, 24, 2, 'b'));  // with the short last block
  EXPECT_FALSE(group_->Empty(0));
  Commit();
  ASSERT_OK(Write(0, 1, 1, 'c'));
  ASSERT_OK(Zero(1, 24, 1));
  Commit();
  Commit();  // without a change
  ASSERT_OK(Write(0, 30, 10, 'd'));
  ASSERT_OK(Write(0, 31, 4, 'e'));
  Commit();
  for (const auto& [epoch, content] : points_) ExpectPoint(epoch);
  EXPECT_OK(backend_->Check());
}

TEST_F(StoreTest, ACommitAgainIsAnsweredAsBeforeAndAGapIsRefused) {
  ASSERT_OK(Write(0, 0, 1, 'a'));
  Commit();
  ASSERT_OK_AND_ASSIGN(const PointFacts again, group_->Commit({.epoch = 1}));
  EXPECT_EQ(again.root_hash, Root(points_[1]));
  EXPECT_THAT(group_->Commit({.epoch = 3}).status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "epoch"));
}

TEST_F(StoreTest, BadRangesAreRefused) {
  block::AlignedBuffer buffer(2 * block::kBlockSize);
  EXPECT_FALSE(group_->Write(2, 0, buffer.bytes()).ok());
  EXPECT_FALSE(group_->Write(0, 39, buffer.bytes()).ok());
  EXPECT_FALSE(group_->Write(0, UINT64_MAX, buffer.bytes()).ok());
  EXPECT_FALSE(group_->Write(0, 0, buffer.bytes().first(100)).ok());
  EXPECT_FALSE(group_->Write(1, 25, buffer.bytes().first(block::kBlockSize)).ok())
      << "longer than the short block";
  EXPECT_FALSE(group_->Zero(0, 1, UINT64_MAX).ok());
  EXPECT_FALSE(group_->DigestAt(0, 40).ok());
  EXPECT_FALSE(group_->Patch(0, {{40 * 128, buffer.bytes().first(512)}}).ok());
  EXPECT_FALSE(group_->Patch(0, {{UINT64_MAX, buffer.bytes().first(512)}}).ok());
  EXPECT_FALSE(group_->Patch(0, {{0, buffer.bytes().first(100)}}).ok());
  EXPECT_FALSE(group_->Patch(0, {{0, {}}}).ok());
  EXPECT_FALSE(group_->Patch(1, {{25 * 128, buffer.bytes().first(2048)}}).ok())
      << "short last block";
}

TEST_F(StoreTest, AnOlderGenerationIsFencedOff) {
  ASSERT_OK(Write(0, 0, 1, 'a'));
  ASSERT_OK(group_->Sync());
  const std::shared_ptr<Group> stale = group_;
  ASSERT_OK_AND_ASSIGN(group_, backend_->OpenGroup(*store_, 2, Disks()));
  EXPECT_THAT(stale->Commit({.epoch = 1}).status(), StatusIs(absl::StatusCode::kAborted, "stale"));
  EXPECT_THAT(backend_->OpenGroup(*store_, 1, Disks()).status(),
              StatusIs(absl::StatusCode::kAborted, "stale"));
  Commit();
  ExpectPoint(1);
}

// The new owner has read what was durable: nothing later may be promised.
TEST_F(StoreTest, AStaleWriterPromisesNothing) {
  ASSERT_OK(Write(0, 0, 1, 'a'));
  Commit();
  ASSERT_OK(Write(0, 1, 1, 'b'));
  const std::shared_ptr<Group> stale = group_;
  ASSERT_OK_AND_ASSIGN(group_, backend_->OpenGroup(*store_, 2, Disks()));
  EXPECT_THAT(stale->Sync(), StatusIs(absl::StatusCode::kAborted, "stale"));
}

// Merging takes long, and a stale worker may sleep anywhere in it.
TEST_F(StoreTest, AStaleWriterThatMergesChangesNothing) {
  for (int i = 0; i < 6; ++i) {
    ASSERT_OK(Write(0, static_cast<std::uint64_t>(i), 2, static_cast<char>('a' + i)));
    Commit();
  }
  const std::shared_ptr<Group> stale = group_;
  ASSERT_OK_AND_ASSIGN(group_, backend_->OpenGroup(*store_, 2, Disks()));
  ASSERT_OK(group_->DeletePoints({2, 3}));
  EXPECT_FALSE(stale->DeletePoints({3, 5}).ok());
  ASSERT_OK(Write(0, 9, 2, 'z'));
  Commit();
  for (const std::int64_t epoch : {1, 4, 5, 6, 7}) ExpectPoint(epoch);
  Open(3);
  for (const std::int64_t epoch : {1, 4, 5, 6, 7}) ExpectPoint(epoch);
}

// A stale worker that sleeps through the takeover and then commits what it had.
TEST_F(StoreTest, ALateCommitOfAStaleWriterIsNotSeen) {
  ASSERT_OK(Write(0, 0, 4, 'a'));
  Commit();
  block::AlignedBuffer junk(block::kBlockSize);
  std::memset(junk.data(), 0x5a, junk.size());
  ASSERT_OK(group_->Write(0, 2, junk.bytes()));
  const std::shared_ptr<Group> stale = group_;
  ASSERT_OK_AND_ASSIGN(group_, backend_->OpenGroup(*store_, 2, Disks()));
  ASSERT_OK(Write(0, 2, 1, 'n'));
  Commit();
  EXPECT_FALSE(stale->Commit({.epoch = 2}).ok());
  Open(3);
  ExpectPoint(1);
  ExpectPoint(2);
}

#ifdef GODWIT_FAILPOINTS
// The tests of stale writers must be able to fail: they do when the fence is taken out.
TEST_F(StoreTest, WithoutTheFenceAStaleWriterIsNoticed) {
  ASSERT_OK_AND_ASSIGN(
      Process unfenced,
      Process::Start({.command = {std::filesystem::read_symlink("/proc/self/exe").string(),
                                  "--gtest_filter=StoreTest.ALateCommitOfAStaleWriterIsNotSeen:"
                                  "StoreTest.AStaleWriterPromisesNothing:"
                                  "StoreTest.AStaleWriterThatWakesUpChangesNothing"},
                      .log = dir_ / "unfenced.log",
                      .environment = {{"GODWIT_FAILPOINT", "store.fence:*:error"}}}));
  ASSERT_OK_AND_ASSIGN(const int status, unfenced.Wait(absl::Seconds(60)));
  EXPECT_NE(status, 0) << unfenced.Log();
  EXPECT_THAT(unfenced.Log(), ::testing::HasSubstr("stale->"));
}
#endif

TEST_F(StoreTest, AStaleWriterThatWakesUpChangesNothing) {
  ASSERT_OK(Write(0, 0, 4, 'a'));
  ASSERT_OK(group_->Sync());
  const std::shared_ptr<Group> stale = group_;
  ASSERT_OK_AND_ASSIGN(group_, backend_->OpenGroup(*store_, 2, Disks()));
  // What the stale worker had received and not acknowledged is sent again, newer, to the new one.
  block::AlignedBuffer junk(block::kBlockSize);
  std::memset(junk.data(), 0x5a, junk.size());
  stale->Write(0, 1, junk.bytes()).IgnoreError();  // it may not know yet
  ASSERT_OK(Write(0, 1, 1, 'n'));
  stale->Write(0, 1, junk.bytes()).IgnoreError();  // it may not know yet
  Commit();
  ExpectPoint(1);
  // And in a layer.
  ASSERT_OK(Write(0, 7, 2, 'm'));
  ASSERT_OK(group_->Sync());
  const std::shared_ptr<Group> stale2 = group_;
  ASSERT_OK_AND_ASSIGN(group_, backend_->OpenGroup(*store_, 3, Disks()));
  stale2->Write(0, 8, junk.bytes()).IgnoreError();
  ASSERT_OK(Write(0, 8, 1, 'z'));
  EXPECT_FALSE(stale2->Commit({.epoch = 2}).ok());
  Commit();
  ExpectPoint(1);
  ExpectPoint(2);
}

TEST_F(StoreTest, MergedPointsAreGoneAndTheOthersStay) {
  for (int i = 0; i < 9; ++i) {
    ASSERT_OK(Write(0, static_cast<std::uint64_t>(i), 3, static_cast<char>('a' + i)));
    if (i % 2 == 0)
      ASSERT_OK(Write(1, static_cast<std::uint64_t>(i), 1, static_cast<char>('A' + i)));
    if (i % 3 == 1) ASSERT_OK(Zero(0, static_cast<std::uint64_t>(i + 1), 1));
    Commit();
  }
  EXPECT_THAT(group_->DeletePoints({9}), StatusIs(absl::StatusCode::kFailedPrecondition, "newest"));
  ASSERT_OK(Write(0, 20, 2, 'x'));  // an open layer above the merge
  ASSERT_OK(group_->DeletePoints({1, 2, 3, 5, 6, 7, 77}));
  EXPECT_EQ(group_->CreateClone(kClone, 5).status().code(), absl::StatusCode::kNotFound);
  for (const std::int64_t epoch : {4, 8, 9}) ExpectPoint(epoch);
  Commit();
  Open(generation_ + 1);
  for (const std::int64_t epoch : {4, 8, 9, 10}) ExpectPoint(epoch);
  EXPECT_OK(backend_->Check());
  EXPECT_GE(backend_->Kept(kServer, Disks()[0].disk_id), 4);
  EXPECT_LE(backend_->Kept(kServer, Disks()[0].disk_id), 5) << "a base, and 4, 8, 9, 10";
}

// A machine runs on it: it stays what it is whatever becomes of its point and of the worker.
TEST_F(StoreTest, ACloneNeedsNeitherItsPointNorItsMaker) {
  for (int i = 0; i < 4; ++i) {
    ASSERT_OK(Write(0, static_cast<std::uint64_t>(i), 3, static_cast<char>('a' + i)));
    Commit();
  }
  ASSERT_OK_AND_ASSIGN(const auto clone, group_->CreateClone(kClone, 3));
  const std::int64_t allocated = group_->AllocatedBytes();
  ASSERT_OK(group_->DeletePoints({1, 2, 3}));
  ExpectClone(clone, 3);
  Open(2);
  ExpectClone(clone, 3);
  EXPECT_LE(group_->AllocatedBytes(), 2 * allocated) << "links are counted once";
  ASSERT_OK(group_->DeleteClone(kClone));
  ExpectPoint(4);
}

// A resized disk comes as another one.
TEST_F(StoreTest, ADiskThatIsNoLongerReplicatedIsInThePointsBeforeOnly) {
  ASSERT_OK(Write(0, 0, 3, 'a'));
  ASSERT_OK(Write(1, 0, 3, 'b'));
  Commit();
  const std::vector<DiskSpec> before = Disks();
  std::vector<DiskSpec> after = before;
  after[1].disk_id = "d-00000000000000003";
  after[1].size_bytes += block::kBlockSize;
  group_.reset();
  ASSERT_OK_AND_ASSIGN(group_, backend_->OpenGroup(*store_, 2, after));
  EXPECT_FALSE(group_->Empty(0));
  EXPECT_TRUE(group_->Empty(1));
  ASSERT_OK(group_->Commit({.epoch = 2, .cut_time = absl::Now(), .consistency = 1}));
  group_.reset();
  ASSERT_OK_AND_ASSIGN(group_, backend_->OpenGroup(*store_, 3, {before[0]}));
  ASSERT_OK(group_->Commit({.epoch = 3, .cut_time = absl::Now(), .consistency = 1}));
  const auto disks_of = [&](std::int64_t epoch) {
    std::vector<std::string> ids;
    const auto clone = group_->CreateClone(kClone, epoch);
    EXPECT_OK(clone);
    for (const CloneFile& file : *clone) ids.push_back(file.disk.disk_id);
    EXPECT_OK(group_->DeleteClone(kClone));
    return ids;
  };
  EXPECT_THAT(disks_of(1), ::testing::UnorderedElementsAre(before[0].disk_id, before[1].disk_id));
  EXPECT_THAT(disks_of(2), ::testing::UnorderedElementsAre(before[0].disk_id, after[1].disk_id));
  EXPECT_THAT(disks_of(3), ::testing::UnorderedElementsAre(before[0].disk_id));
  ExpectPoint(1);
  // And in the store no longer than one of these points.
  EXPECT_GT(backend_->Kept(kServer, before[1].disk_id), 0);
  ASSERT_OK(group_->DeletePoints({1}));
  EXPECT_EQ(backend_->Kept(kServer, before[1].disk_id), 0);
  EXPECT_GT(backend_->Kept(kServer, after[1].disk_id), 0);
  ASSERT_OK(group_->DeletePoints({2}));
  EXPECT_EQ(backend_->Kept(kServer, after[1].disk_id), 0);
  group_.reset();
  ASSERT_OK_AND_ASSIGN(group_, backend_->OpenGroup(*store_, 4, {before[0]}));
  EXPECT_THAT(disks_of(3), ::testing::UnorderedElementsAre(before[0].disk_id));
}

TEST_F(StoreTest, ARemovedGroupStartsAnew) {
  ASSERT_OK(Write(0, 0, 1, 'a'));
  Commit();
  group_.reset();
  ASSERT_OK(store_->RemoveGroup(kServer));
  ASSERT_OK(store_->RemoveGroup(kServer));
  now_.clear();
  for (const DiskSpec& disk : Disks()) now_.emplace_back(disk.size_bytes, '\0');
  Open(1);
  EXPECT_EQ(group_->committed_epoch(), 0);
  Commit();
  ExpectPoint(1);
}

}  // namespace
}  // namespace godwit::store
