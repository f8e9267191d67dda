// Places of watches, on a made-up database whose transactions commit in any order.
#include "services/replication/coordinator/domain/watch_place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/support/status_matchers.h"

namespace godwit::coordinator {
namespace {

using ::godwit::testing::StatusIs;

// Rows by id, with the transaction that changed each last, as they are once that has committed.
class MadeUpDatabase {
 public:
  std::uint64_t Begin() {
    open_.insert(next_);
    return next_++;
  }
  void Write(std::uint64_t transaction, const std::string& id) {
    written_[transaction].push_back(id);
  }
  void Commit(std::uint64_t transaction) {
    open_.erase(transaction);
    for (const std::string& id : written_[transaction]) rows_[id] = transaction;
    written_.erase(transaction);
  }
  // A row that another open transaction has written is locked.
  bool Locked(const std::string& id) const {
    return std::any_of(written_.begin(), written_.end(), [&](const auto& entry) {
      return std::find(entry.second.begin(), entry.second.end(), id) != entry.second.end();
    });
  }
  Snapshot Now() const { return {.end = next_, .open = open_}; }
  const std::map<std::string, std::uint64_t>& rows() const { return rows_; }
  const std::set<std::uint64_t>& open() const { return open_; }

 private:
  std::uint64_t next_ = 3;
  std::set<std::uint64_t> open_;
  std::map<std::uint64_t, std::vector<std::string>> written_;
  std::map<std::string, std::uint64_t> rows_;
};

std::vector<WatchRow> NewTo(const WatchPlace& place, const MadeUpDatabase& database) {
  std::vector<WatchRow> rows;
  for (const auto& [id, transaction] : database.rows()) {
    if (!place.Saw(transaction, id)) rows.push_back({transaction, id});
  }
  std::sort(rows.begin(), rows.end(),
            [&](const WatchRow& a, const WatchRow& b) { return ComesBefore(place, a, b); });
  return rows;
}

// What open transactions and those that come do next.
void Live(MadeUpDatabase& database, std::mt19937& random) {
  for (int step = 0; step < 6; ++step) {
    const int kind = static_cast<int>(random() % 3);
    if (kind == 0 || database.open().empty()) {
      database.Begin();
      continue;
    }
    auto chosen = database.open().begin();
    std::advance(chosen, random() % database.open().size());
    const std::uint64_t transaction = *chosen;
    if (kind == 1) {
      const std::string id = absl::StrCat("s-", random() % 12);
      // A transaction that began earlier may write later: numbers of a row may fall.
      if (!database.Locked(id)) database.Write(transaction, id);
    } else {
      database.Commit(transaction);
    }
  }
}

TEST(WatchPlaceTest, NothingTwiceAndNothingLostWhereverAWatchBreaksOff) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937 random(seed);
    MadeUpDatabase database;
    WatchPlace place{.database = "d"};
    std::map<std::string, std::uint64_t> sent;
    for (int round = 0; round < 80; ++round) {
      Live(database, random);
      const Snapshot now = database.Now();
      ASSERT_OK(CheckWatchPlace(place, "d", now));
      const std::vector<WatchRow> rows = NewTo(place, database);
      // All of it is sent, or the watch breaks off before the end, and goes on from its token.
      const std::size_t count = random() % 2 == 0 ? rows.size() : random() % (rows.size() + 1);
      for (std::size_t i = 0; i < count; ++i) {
        ASSERT_NE(sent[rows[i].id], rows[i].transaction) << rows[i].id << " came twice";
        sent[rows[i].id] = rows[i].transaction;
        place = After(place, now, rows[i]);
        ASSERT_TRUE(place.Saw(rows[i].transaction, rows[i].id));
      }
      if (count == rows.size()) place = {.database = "d", .seen = now};
      const auto parsed = ParseWatchToken(FormatWatchToken(place));
      ASSERT_OK(parsed);
      ASSERT_EQ(*parsed, place);
    }
    for (const WatchRow& row : NewTo(place, database)) sent[row.id] = row.transaction;
    EXPECT_EQ(sent, database.rows()) << "the newest state of each, in the end";
  }
}

TEST(WatchPlaceTest, ReadsSnapshotsAsTheyAreWritten) {
  const auto snapshot = ParseSnapshot("10:20:10,14");
  ASSERT_OK(snapshot);
  EXPECT_TRUE(snapshot->Sees(9));
  EXPECT_FALSE(snapshot->Sees(10));
  EXPECT_TRUE(snapshot->Sees(13));
  EXPECT_FALSE(snapshot->Sees(14));
  EXPECT_FALSE(snapshot->Sees(20));
  EXPECT_EQ(FormatSnapshot(*snapshot), "10:20:10,14");
  EXPECT_EQ(FormatSnapshot(Snapshot()), "1:1:");
  for (const char* wrong : {"", "10", "10:9:", "0:3:", "1:3:3", "2:9:4,4", "2:9:5,4", "2:9:1",
                            "1:2:x", "1:-2:", "1:2:3:4"}) {
    EXPECT_THAT(ParseSnapshot(wrong), StatusIs(absl::StatusCode::kInvalidArgument, "no snapshot"))
        << wrong;
  }
}

TEST(WatchPlaceTest, RefusesTokensThatAreNone) {
  const WatchPlace place{.database = "d", .seen = {.end = 20, .open = {12}}, .partial = 12};
  ASSERT_OK(ParseWatchToken(FormatWatchToken(place)));
  for (const WatchPlace& wrong :
       {WatchPlace{.database = "d", .seen = {.end = 20}, .partial = 12},
        WatchPlace{.database = "d", .seen = {.end = 20}, .partial = 21},
        WatchPlace{.database = "d/e", .seen = {.end = 20}},
        WatchPlace{.database = "d", .seen = {.end = 20}, .partial_id = std::string(100, 's')}}) {
    EXPECT_THAT(ParseWatchToken(FormatWatchToken(wrong)),
                StatusIs(absl::StatusCode::kInvalidArgument, "watch_token"));
  }
  for (const std::string& wrong :
       {std::string(), std::string("x"), std::string("!!!!"), std::string(100'000, 'A')}) {
    EXPECT_THAT(ParseWatchToken(wrong),
                StatusIs(absl::StatusCode::kInvalidArgument, "watch_token"));
  }
}

TEST(WatchPlaceTest, ATokenKnowsWhatWasShown) {
  const Sight sight{.until_micros = 1'700'000'000'000'000, .count = 3, .digest = -7};
  const WatchPlace place{.database = "d", .seen = {.end = 20, .open = {12}}, .sight = sight};
  const auto parsed = ParseWatchToken(FormatWatchToken(place));
  ASSERT_OK(parsed);
  EXPECT_EQ(*parsed, place);
  // The time of the other look does not count, all else does.
  EXPECT_OK(CheckSight(*parsed, {.until_micros = 1, .count = 3, .digest = -7}));
  const Sight others[] = {{.count = 2, .digest = -7},
                          {.count = 3, .digest = 7},
                          {.count = 3, .digest = -7, .limited = true}};
  for (const Sight& other : others) {
    EXPECT_THAT(CheckSight(place, other),
                StatusIs(absl::StatusCode::kOutOfRange, "watch again without since"));
  }
  // Tokens of a former version did not know it.
  const WatchPlace former{.database = "d", .seen = {.end = 20}};
  const auto old = ParseWatchToken(FormatWatchToken(former));
  ASSERT_OK(old);
  EXPECT_EQ(*old, former);
  EXPECT_THAT(CheckSight(*old, sight),
              StatusIs(absl::StatusCode::kOutOfRange, "watch again without since"));
  for (const char* wrong :
       {"r2/d/9:9:/0/", "r2/d/9:9:/0//", "r2/d/9:9:/0//1:2:3", "r2/d/9:9:/0//1:2:3:2",
        "r2/d/9:9:/0//x:2:3:0", "r1/d/9:9:/0//1:2:3:0", "r2/d/9:9:/0//1:2:3:0/"}) {
    EXPECT_THAT(ParseWatchToken(absl::WebSafeBase64Escape(wrong)),
                StatusIs(absl::StatusCode::kInvalidArgument, "watch_token"))
        << wrong;
  }
}

TEST(WatchPlaceTest, APlaceOfAnotherDatabaseOrTimeIsRefused) {
  const WatchPlace place{.database = "d", .seen = {.end = 20}};
  EXPECT_OK(CheckWatchPlace(place, "d", {.end = 20}));
  EXPECT_THAT(CheckWatchPlace(place, "e", {.end = 20}),
              StatusIs(absl::StatusCode::kOutOfRange, "watch again without since"));
  EXPECT_THAT(CheckWatchPlace(place, "d", {.end = 19}),
              StatusIs(absl::StatusCode::kOutOfRange, "watch again without since"));
}

}  // namespace
}  // namespace godwit::coordinator
