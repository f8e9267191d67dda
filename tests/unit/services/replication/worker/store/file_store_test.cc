// What is so of the file store alone.
#include "services/replication/worker/store/file_store.h"

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
