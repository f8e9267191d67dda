// The store against a model: what a disk contained at each point is kept beside and every point is
// compared byte for byte, read by qemu-img, which knows nothing of this code.
#include "services/replication/worker/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/replication/worker/store/digests.h"
#include "services/replication/worker/store/file_store.h"
#include "services/replication/worker/store/journal.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::store {
namespace {

using ::godwit::testing::Process;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TempDir;

constexpr char kServer[] = "s-0123456789abcdef0";
constexpr char kClone[] = "c-0123456789abcdef0";

// Two disks, the second with a short last block.
std::vector<DiskSpec> Disks() {
  return {{.disk_id = "d-00000000000000001",
           .device_name = "/dev/sda",
           .size_bytes = 40 * block::kBlockSize,
           .is_boot_disk = true},
          {.disk_id = "d-00000000000000002",
           .device_name = "/dev/sdb",
           .size_bytes = 25 * block::kBlockSize + 1536}};
}

absl::Status RunProgram(const std::vector<std::string>& command, const std::string& log) {
  auto process = Process::Start({.command = command, .log = log});
  if (!process.ok()) return process.status();
  const auto status = process->Wait(absl::Seconds(60));
  if (!status.ok()) return status.status();
  return *status == 0 ? absl::OkStatus() : absl::InternalError(process->Log());
}

using Content = std::vector<std::string>;  // of each disk

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(store_, OpenFileStore(dir_ / "store"));
    for (const DiskSpec& disk : Disks()) now_.emplace_back(disk.size_bytes, '\0');
    Open(1);
  }
  void Open(std::int64_t generation) {
    group_.reset();
    ASSERT_OK_AND_ASSIGN(group_, store_->OpenGroup(kServer, generation, Disks()));
    generation_ = generation;
  }
  absl::Status Write(std::size_t disk, std::uint64_t first, std::uint64_t count, char seed) {
    const std::size_t from = first * block::kBlockSize;
    const std::size_t size =
        std::min<std::size_t>(count * block::kBlockSize, now_[disk].size() - from);
    block::AlignedBuffer buffer(size);
    for (std::size_t i = 0; i < size; ++i)
      buffer.data()[i] = static_cast<std::uint8_t>(seed + i / 512 + i % 7);
    std::memcpy(now_[disk].data() + from, buffer.data(), size);
    return group_->Write(disk, first, buffer.bytes());
  }
  absl::Status Patch(std::size_t disk, std::uint64_t sector, std::uint64_t count, char seed) {
    std::vector<std::uint8_t> bytes(count * 512);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::uint8_t>(seed + i / 512 + i % 11);
    }
    std::memcpy(now_[disk].data() + sector * 512, bytes.data(), bytes.size());
    return group_->Patch(disk, sector, bytes);
  }
  absl::Status Zero(std::size_t disk, std::uint64_t first, std::uint64_t count) {
    const std::size_t from = first * block::kBlockSize;
    const std::size_t size =
        std::min<std::size_t>(count * block::kBlockSize, now_[disk].size() - from);
    std::memset(now_[disk].data() + from, 0, size);
    return group_->Zero(disk, first, count);
  }
  std::string Root(const Content& content) {
    RootHash root;
    const std::vector<DiskSpec> disks = Disks();
    for (std::size_t i = 0; i < disks.size(); ++i) {
      DigestList digests(disks[i].size_bytes);
      for (std::uint64_t b = 0; b < digests.size(); ++b) {
        const std::size_t from = b * block::kBlockSize;
        const std::size_t size = std::min<std::size_t>(block::kBlockSize, content[i].size() - from);
        digests.Set(b,
                    block::DigestOf(
                        {reinterpret_cast<const std::uint8_t*>(content[i].data()) + from, size}));
      }
      root.Add(disks[i].disk_id, disks[i].size_bytes, digests.DiskHash());
    }
    return root.Hex();
  }
  void Commit() {
    ASSERT_OK_AND_ASSIGN(
        const PointFacts facts,
        group_->Commit(
            {.epoch = group_->committed_epoch() + 1, .cut_time = absl::Now(), .consistency = 1}));
    points_[facts.epoch] = now_;
    EXPECT_EQ(facts.root_hash, Root(now_)) << "epoch " << facts.epoch;
  }
  // Through a clone, as a launched machine would see it.
  void ExpectPoint(std::int64_t epoch) {
    ASSERT_OK_AND_ASSIGN(const auto clone, group_->CreateClone(kClone, epoch));
    ExpectClone(clone, epoch);
    ASSERT_OK(group_->DeleteClone(kClone));
  }
  void ExpectClone(const std::vector<CloneFile>& clone, std::int64_t epoch) {
    for (std::size_t i = 0; i < clone.size(); ++i) {
      const std::string raw = dir_ / "out.raw";
      ASSERT_OK(RunProgram({"/usr/bin/qemu-img", "convert", "-O", "raw", clone[i].path, raw},
                           dir_ / "qemu.log"));
      ASSERT_OK(RunProgram({"/usr/bin/qemu-img", "check", clone[i].path}, dir_ / "qemu.log"));
      ASSERT_OK_AND_ASSIGN(const std::string bytes, ReadFile(raw));
      EXPECT_TRUE(bytes == points_[epoch][i]) << "disk " << i << " of epoch " << epoch;
    }
  }
  void CheckLayers() {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / "store")) {
      if (entry.path().extension() != ".qcow2") continue;
      EXPECT_OK(RunProgram({"/usr/bin/qemu-img", "check", "-U", entry.path().string()},
                           dir_ / "qemu.log"));
    }
  }

  TempDir dir_;
  std::unique_ptr<Store> store_;
  std::shared_ptr<Group> group_;
  std::int64_t generation_ = 0;
  Content now_;
  std::map<std::int64_t, Content> points_;
};

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
  CheckLayers();
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
  EXPECT_FALSE(group_->Patch(0, 40 * 128, buffer.bytes().first(512)).ok());
  EXPECT_FALSE(group_->Patch(0, UINT64_MAX, buffer.bytes().first(512)).ok());
  EXPECT_FALSE(group_->Patch(0, 0, buffer.bytes().first(100)).ok());
  EXPECT_FALSE(group_->Patch(0, 0, {}).ok());
  EXPECT_FALSE(group_->Patch(1, 25 * 128, buffer.bytes().first(2048)).ok()) << "short last block";
}

TEST_F(StoreTest, AnOlderGenerationIsFencedOff) {
  ASSERT_OK(Write(0, 0, 1, 'a'));
  ASSERT_OK(group_->Sync());
  const std::shared_ptr<Group> stale = group_;
  ASSERT_OK_AND_ASSIGN(group_, store_->OpenGroup(kServer, 2, Disks()));
  EXPECT_THAT(stale->Commit({.epoch = 1}).status(), StatusIs(absl::StatusCode::kAborted, "stale"));
  EXPECT_THAT(store_->OpenGroup(kServer, 1, Disks()).status(),
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
  ASSERT_OK_AND_ASSIGN(group_, store_->OpenGroup(kServer, 2, Disks()));
  EXPECT_THAT(stale->Sync(), StatusIs(absl::StatusCode::kAborted, "stale"));
}

// Merging takes long, and a stale worker may sleep anywhere in it.
TEST_F(StoreTest, AStaleWriterThatMergesChangesNothing) {
  for (int i = 0; i < 6; ++i) {
    ASSERT_OK(Write(0, static_cast<std::uint64_t>(i), 2, static_cast<char>('a' + i)));
    Commit();
  }
  const std::shared_ptr<Group> stale = group_;
  ASSERT_OK_AND_ASSIGN(group_, store_->OpenGroup(kServer, 2, Disks()));
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
  ASSERT_OK_AND_ASSIGN(group_, store_->OpenGroup(kServer, 2, Disks()));
  ASSERT_OK(Write(0, 2, 1, 'n'));
  Commit();
  EXPECT_FALSE(stale->Commit({.epoch = 2}).ok());
  Open(3);
  ExpectPoint(1);
  ExpectPoint(2);
}

#ifdef GODWIT_FAILPOINTS
// The test above must be able to fail: it does when the fence is taken out.
TEST_F(StoreTest, WithoutTheFenceAStaleWriterIsNoticed) {
  ASSERT_OK_AND_ASSIGN(
      Process unfenced,
      Process::Start({.command = {std::filesystem::read_symlink("/proc/self/exe").string(),
                                  "--gtest_filter=StoreTest.ALateCommitOfAStaleWriterIsNotSeen"},
                      .log = dir_ / "unfenced.log",
                      .environment = {{"GODWIT_FAILPOINT", "store.fence:*:error"}}}));
  ASSERT_OK_AND_ASSIGN(const int status, unfenced.Wait(absl::Seconds(60)));
  EXPECT_NE(status, 0) << unfenced.Log();
  EXPECT_THAT(unfenced.Log(), ::testing::HasSubstr("stale->Commit"));
}
#endif

TEST_F(StoreTest, AStaleWriterThatWakesUpChangesNothing) {
  ASSERT_OK(Write(0, 0, 4, 'a'));
  ASSERT_OK(group_->Sync());
  const std::shared_ptr<Group> stale = group_;
  ASSERT_OK_AND_ASSIGN(group_, store_->OpenGroup(kServer, 2, Disks()));
  // What the stale worker had received and not acknowledged is sent again, newer, to the new one.
  block::AlignedBuffer junk(block::kBlockSize);
  std::memset(junk.data(), 0x5a, junk.size());
  ASSERT_OK(stale->Write(0, 1, junk.bytes()));
  ASSERT_OK(Write(0, 1, 1, 'n'));
  ASSERT_OK(stale->Write(0, 1, junk.bytes()));
  Commit();
  ExpectPoint(1);
  // And in a layer.
  ASSERT_OK(Write(0, 7, 2, 'm'));
  ASSERT_OK(group_->Sync());
  const std::shared_ptr<Group> stale2 = group_;
  ASSERT_OK_AND_ASSIGN(group_, store_->OpenGroup(kServer, 3, Disks()));
  ASSERT_OK(stale2->Write(0, 8, junk.bytes()));
  ASSERT_OK(Write(0, 8, 1, 'z'));
  EXPECT_FALSE(stale2->Commit({.epoch = 2}).ok());
  Commit();
  ExpectPoint(1);
  ExpectPoint(2);
}

TEST_F(StoreTest, HashesOfAnUnsealedBaseOfAnotherWriterAreNeverTrusted) {
  ASSERT_OK(Write(0, 0, 4, 'a'));
  ASSERT_OK(group_->Sync());
  Open(2);
  ASSERT_OK_AND_ASSIGN(const auto unknown, group_->DigestAt(0, 0));
  EXPECT_FALSE(unknown.has_value());
  ASSERT_OK(Write(0, 0, 1, 'b'));
  ASSERT_OK_AND_ASSIGN(const auto known, group_->DigestAt(0, 0));
  EXPECT_TRUE(known.has_value());
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
  CheckLayers();
  int layers = 0;
  for (const auto& entry : std::filesystem::directory_iterator(
           dir_ / absl::StrCat("store/groups/", kServer, "/g2/d-00000000000000001"))) {
    layers += entry.path().extension() == ".qcow2" ? 1 : 0;
  }
  EXPECT_EQ(layers, 4) << "one for each of 4, 8, 9, 10";
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

TEST_F(StoreTest, ATornJournalEndsWhereItIsTorn) {
  std::vector<Placed> records;
  {
    ASSERT_OK_AND_ASSIGN(Journal journal, Journal::Open(dir_ / "j", &records));
    ASSERT_OK(
        journal.Append({{.block = 1, .offset = 65536}, {.block = 2, .offset = Placed::kZero}}));
  }
  ASSERT_OK_AND_ASSIGN(std::string bytes, ReadFile(dir_ / "j"));
  for (std::size_t keep = 0; keep <= bytes.size(); ++keep) {
    ASSERT_OK(WriteFileAtomically(dir_ / "torn",
                                  bytes.substr(0, keep) + std::string(bytes.size() - keep, '\7')));
    ASSERT_OK_AND_ASSIGN(records, Journal::Read(dir_ / "torn"));
    EXPECT_EQ(records.size(), keep / kPlacedBytes);
  }
}

// Random work with restarts, takeovers, lost unsynced writes and merges; the agent's part is played
// as decision 0002 has it: what was not covered by a Sync is sent again.
class StoreModelTest : public StoreTest, public ::testing::WithParamInterface<int> {};

TEST_P(StoreModelTest, NothingIsLostOrMixedUp) {
  std::mt19937 random(static_cast<unsigned>(GetParam()));
  const auto pick = [&](std::uint64_t n) {
    return std::uniform_int_distribution<std::uint64_t>(0, n - 1)(random);
  };
  std::map<std::pair<std::size_t, std::uint64_t>, bool> unsynced;
  for (int step = 0; step < 150; ++step) {
    const std::size_t disk = pick(2);
    const std::uint64_t blocks = block::BlockCount(Disks()[disk].size_bytes);
    const std::uint64_t first = pick(blocks),
                        count = 1 + pick(std::min<std::uint64_t>(6, blocks - first));
    switch (pick(13)) {
      case 10:
      case 11:
      case 12: {
        const std::uint64_t sectors = now_[disk].size() / 512, sector = pick(sectors);
        const std::uint64_t length = 1 + pick(std::min<std::uint64_t>(300, sectors - sector));
        ASSERT_OK(Patch(disk, sector, length, static_cast<char>(random())));
        for (std::uint64_t b = sector / 128; b <= (sector + length - 1) / 128; ++b)
          unsynced[{disk, b}] = true;
        break;
      }
      case 0:
      case 1:
      case 2:
      case 3:
        ASSERT_OK(Write(disk, first, count, static_cast<char>(random())));
        for (std::uint64_t i = 0; i < count; ++i) unsynced[{disk, first + i}] = true;
        break;
      case 4:
        ASSERT_OK(Zero(disk, first, count));
        for (std::uint64_t i = 0; i < count; ++i) unsynced[{disk, first + i}] = true;
        break;
      case 5:
      case 6:
        ASSERT_OK(group_->Sync());
        unsynced.clear();
        break;
      case 7:
        Commit();
        unsynced.clear();
        break;
      case 8: {
        Open(generation_ + static_cast<std::int64_t>(pick(2)));
        for (const auto& [where, ignored] : unsynced) {
          const std::size_t from = where.second * block::kBlockSize;
          const std::size_t size =
              std::min<std::size_t>(block::kBlockSize, now_[where.first].size() - from);
          block::AlignedBuffer buffer(size);
          std::memcpy(buffer.data(), now_[where.first].data() + from, size);
          if (block::IsZero(buffer.bytes())) {
            ASSERT_OK(group_->Zero(where.first, where.second, 1));
          } else {
            ASSERT_OK(group_->Write(where.first, where.second, buffer.bytes()));
          }
        }
        break;
      }
      case 9: {
        std::vector<std::int64_t> gone;
        for (const auto& [epoch, content] : points_) {
          if (epoch != group_->committed_epoch() && pick(2) == 0) gone.push_back(epoch);
        }
        ASSERT_OK(group_->DeletePoints(gone));
        for (const std::int64_t epoch : gone) points_.erase(epoch);
        break;
      }
    }
    for (std::size_t d = 0; d < 2; ++d) {
      const std::uint64_t b = pick(block::BlockCount(now_[d].size()));
      ASSERT_OK_AND_ASSIGN(const auto digest, group_->DigestAt(d, b));
      const std::size_t from = b * block::kBlockSize;
      if (digest) {
        EXPECT_EQ(*digest, block::DigestOf(
                               {reinterpret_cast<const std::uint8_t*>(now_[d].data()) + from,
                                std::min<std::size_t>(block::kBlockSize, now_[d].size() - from)}));
      }
    }
  }
  Commit();
  for (const auto& [epoch, content] : points_) ExpectPoint(epoch);
  CheckLayers();
}

INSTANTIATE_TEST_SUITE_P(Seeds, StoreModelTest, ::testing::Range(1, 9));

}  // namespace
}  // namespace godwit::store
