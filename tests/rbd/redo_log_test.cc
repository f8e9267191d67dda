// The records of a redo log: whole, torn, damaged.
#include "services/replication/worker/store/rbd/redo_log.h"

#include "services/common/base/ids.h"
#include "tests/rbd/rbd_backend.h"
#include "tests/unit/services/replication/worker/store/store_fixture.h"

namespace godwit::store::rbd {
namespace {

LogRecord Data(std::int64_t offset, const std::string& bytes) {
  LogRecord record;
  record.set_disk_id("d-00000000000000001");
  record.set_offset(offset);
  record.set_data(bytes);
  return record;
}

TEST(RedoLogTest, OnlyWholeRecordsAreBelieved) {
  LogRecord commit;
  commit.mutable_commit()->set_epoch(7);
  const std::string first = FrameOf(Data(512, std::string(512, 'a'))), last = FrameOf(commit);
  const std::string all = first + last;
  ASSERT_OK_AND_ASSIGN(const auto records, ParseLog(all));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(EndOf(records[0]), 1024u);
  EXPECT_EQ(records[1].commit().epoch(), 7);
  for (std::size_t keep = 1; keep < all.size(); ++keep) {
    const bool whole = keep == first.size();
    EXPECT_EQ(ParseLog(all.substr(0, keep)).ok(), whole) << keep;
    std::string damaged = all;
    damaged[keep] = static_cast<char>(damaged[keep] ^ 1);
    EXPECT_THAT(ParseLog(damaged).status(), StatusIs(absl::StatusCode::kDataLoss, "redo log"))
        << keep;
  }
}

TEST(RedoLogTest, WhatIsNotCommittedLiesOverTheImage) {
  ASSERT_OK_AND_ASSIGN(const auto cluster, Cluster::Connect(OptionsOf("/" + NewUuid())));
  RedoLog log(*cluster, "log");
  const std::string disk = "d-00000000000000001";
  log.Add(Data(block::kBlockSize - 512, std::string(1024, 'a')));
  log.Add(Data(block::kBlockSize, std::string(256, 'b')));
  EXPECT_TRUE(log.Touches(disk, 0));
  EXPECT_TRUE(log.Touches(disk, 1));
  EXPECT_FALSE(log.Touches(disk, 2));
  EXPECT_FALSE(log.Touches("d-00000000000000002", 0));
  std::string block(block::kBlockSize, '.');
  log.Overlay(disk, 1, {reinterpret_cast<std::uint8_t*>(block.data()), block.size()});
  EXPECT_EQ(block.substr(0, 600),
            std::string(256, 'b') + std::string(256, 'a') + std::string(88, '.'));
  EXPECT_EQ(log.TakeOpen().size(), 2u);
  EXPECT_FALSE(log.Touches(disk, 0));
}

}  // namespace
}  // namespace godwit::store::rbd
