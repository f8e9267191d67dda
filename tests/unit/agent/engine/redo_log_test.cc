#include "agent/engine/redo_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/status_matchers.h"

namespace godwit::agent {
namespace {

void Add(RedoLog& redo, std::uint32_t disk, std::uint64_t sector, const std::string& content) {
  redo.Add({.disk = disk,
            .sector = sector,
            .bytes = static_cast<std::uint32_t>(content.size()),
            .content = {reinterpret_cast<const std::uint8_t*>(content.data()), content.size()}});
}

std::vector<std::string> Runs(const RedoLog& redo) {
  std::vector<std::string> runs;
  EXPECT_OK(redo.ForEach([&](std::uint32_t disk, std::uint64_t sector, block::Bytes content) {
    std::string text = std::to_string(disk) + ":" + std::to_string(sector) + " ";
    for (std::size_t at = 0; at < content.size(); at += 512) {
      text += content[at] == 0 ? '0' : static_cast<char>(content[at]);
      EXPECT_EQ(content[at], content[at + 511]);
    }
    runs.push_back(text);
    return absl::OkStatus();
  }));
  return runs;
}

TEST(RedoLog, TheLastWriteOfEverySectorCounts) {
  RedoLog redo(1 << 20);
  Add(redo, 0, 6, std::string(512 * 4, 'a'));  // over the end of a page
  Add(redo, 0, 7, std::string(512, 'b'));
  Add(redo, 1, 0, std::string(512, 'c'));
  redo.Add({.disk = 0, .sector = 9, .bytes = 512, .content = {}});
  EXPECT_THAT(Runs(redo), ::testing::ElementsAre("0:6 ab", "0:8 a", "1:0 c"));
  EXPECT_THAT(redo.TakeUnread(), ::testing::ElementsAre(BlockPlace(0, 0)));
  EXPECT_THAT(redo.TakeUnread(), ::testing::IsEmpty());
}

TEST(RedoLog, ALaterLogCountsMoreThanAnOlderOne) {
  RedoLog older(1 << 20), newer(1 << 20);
  Add(older, 0, 0, std::string(512 * 8, 'a'));
  Add(older, 0, 256, std::string(512 * 8, 'a'));
  Add(older, 0, 400, std::string(512, 'z'));
  Add(newer, 0, 2, std::string(512, 'b'));
  newer.Add({.disk = 0, .sector = 258, .bytes = 512 * 100, .content = {}});
  Add(newer, 0, 300, std::string(512, 'c'));
  older.Absorb(&newer);
  EXPECT_TRUE(newer.empty());
  EXPECT_THAT(Runs(older),
              ::testing::ElementsAre("0:0 aabaaaaa", "0:256 aa", "0:300 c", "0:400 z"));
  EXPECT_THAT(older.TakeUnread(), ::testing::ElementsAre(BlockPlace(0, 2)));
  EXPECT_EQ(older.blocks().size(), 3u);
  // A long range in a small log.
  newer.Add({.disk = 0, .sector = 0, .bytes = 512 * 100000, .content = {}});
  older.Absorb(&newer);
  EXPECT_THAT(Runs(older), ::testing::IsEmpty());
}

TEST(RedoLog, BlocksThatWereTouched) {
  RedoLog redo(4 << 20);
  Add(redo, 0, 127, std::string(512 * 260, 'x'));  // blocks 0 to 3
  EXPECT_EQ(redo.blocks().size(), 4u);
  EXPECT_TRUE(redo.Covers(0, 0) && redo.Covers(0, 1) && redo.Covers(0, 2) && redo.Covers(0, 3));
  EXPECT_FALSE(redo.Covers(0, 4) || redo.Covers(1, 0));
}

TEST(RedoLog, ItsMemoryIsBounded) {
  RedoLog redo(16 << 10);
  for (std::uint64_t i = 0; i < 10; ++i) Add(redo, 0, i * 8, std::string(512, 'y'));
  EXPECT_TRUE(redo.overflowed());
  EXPECT_LE(Runs(redo).size(), 4u);
}

}  // namespace
}  // namespace godwit::agent
