// What is so of the file store alone.
#include "services/replication/worker/store/file_store.h"

#include <sys/stat.h>

#include "services/replication/worker/store/journal.h"
#include "tests/unit/services/replication/worker/store/store_fixture.h"

namespace godwit::store {
namespace {

using FileStoreTest = StoreTest;

TEST_F(FileStoreTest, HashesOfAnUnsealedBaseOfAnotherWriterAreNeverTrusted) {
  ASSERT_OK(Write(0, 0, 4, 'a'));
  ASSERT_OK(group_->Sync());
  Open(2);
  ASSERT_OK_AND_ASSIGN(const auto unknown, group_->DigestAt(0, 0));
  EXPECT_FALSE(unknown.has_value());
  ASSERT_OK(Write(0, 0, 1, 'b'));
  ASSERT_OK_AND_ASSIGN(const auto known, group_->DigestAt(0, 0));
  EXPECT_TRUE(known.has_value());
}

// Blocks that every kept point has in layers are given back, but not while a clone of a point that
// is gone reads them.
TEST_F(FileStoreTest, WhatNobodyReadsOfTheBaseIsGivenBack) {
  const auto base_blocks = [&] {
    struct stat info;
    const std::string path = absl::StrCat(dir_ / "store/groups/", kServer, "/g", generation_,
                                          "/d-00000000000000001/base.raw");
    EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
    // The file system's own blocks of the file's map do not make a whole one.
    return static_cast<std::uint64_t>(info.st_blocks) * 512 / block::kBlockSize;
  };
  ASSERT_OK(Write(0, 0, 40, 'a'));
  Commit();
  EXPECT_GE(base_blocks(), 40u);
  ASSERT_OK(Write(0, 10, 20, 'b'));
  ASSERT_OK(Zero(0, 30, 2));
  Commit();
  ASSERT_OK(Patch(0, 32 * 128, 128, 'c'));  // a whole block in pages
  ASSERT_OK(Patch(0, 33 * 128, 120, 'd'));  // all of one but a page
  Commit();
  ASSERT_OK_AND_ASSIGN(const auto clone, group_->CreateClone(kClone, 1));
  ASSERT_OK(group_->DeletePoints({1}));
  EXPECT_GE(base_blocks(), 40u) << "the clone has it";
  ExpectClone(clone, 1);
  ASSERT_OK(group_->DeleteClone(kClone));
  ASSERT_OK(group_->DeletePoints({1}));
  EXPECT_LE(base_blocks(), 18u) << "point 2 has 22 blocks in its layer";
  for (const std::int64_t epoch : {2, 3}) ExpectPoint(epoch);
  Open(2);
  ASSERT_OK(group_->DeletePoints({2}));
  EXPECT_LE(base_blocks(), 17u) << "and point 3 one more in pages";
  EXPECT_GE(base_blocks(), 17u) << "but not the one that lacks a page";
  ExpectPoint(3);
}

// For those who want to know early whether the server will boot.
TEST_F(FileStoreTest, WhatArrivedCanBeLookedAtBeforeTheFirstPoint) {
  EXPECT_THAT(group_->CreateClone(kClone, 0).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "nothing"));
  ASSERT_OK(Write(0, 3, 4, 'a'));
  ASSERT_OK(Write(0, 9, 2, 'b'));
  ASSERT_OK(Zero(0, 4, 1));
  ASSERT_OK_AND_ASSIGN(const auto view, group_->CreateClone(kClone, 0));
  ASSERT_EQ(view.size(), Disks().size()) << "the disk of which nothing came is there, too";
  points_[0] = now_;
  ExpectClone(view, 0);
  ASSERT_OK_AND_ASSIGN(const auto again, group_->CreateClone(kClone, 0));
  ASSERT_EQ(again.size(), view.size());
  EXPECT_EQ(again[0].path, view[0].path);
  Commit();
  ExpectClone(view, 0);
  ASSERT_OK(group_->DeleteClone(kClone));
  ASSERT_OK_AND_ASSIGN(const auto point, group_->CreateClone(kClone, 0));
  ExpectClone(point, 1);
  ASSERT_OK(group_->DeleteClone(kClone));
  ExpectPoint(1);
}

TEST_F(FileStoreTest, WhatTwoWorkersReceivedIsNotLookedAt) {
  ASSERT_OK(Write(0, 0, 4, 'a'));
  ASSERT_OK(group_->Sync());
  Open(2);
  EXPECT_THAT(group_->CreateClone(kClone, 0).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "another worker"));
}

TEST_F(FileStoreTest, ATornJournalEndsWhereItIsTorn) {
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

}  // namespace
}  // namespace godwit::store
