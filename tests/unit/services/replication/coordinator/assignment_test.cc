#include "services/replication/coordinator/domain/assignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace godwit::coordinator {
namespace {

Worker MakeWorker(const std::string& id, const std::string& store, int count = 0) {
  return {.id = id,
          .store_id = store,
          .max_server_count = 10,
          .store_total_bytes = std::int64_t{1} << 40,
          .store_free_bytes = std::int64_t{1} << 40,
          .server_count = count};
}

std::string PlaceOf(const std::vector<Placement>& placements, const std::string& server) {
  for (const Placement& placement : placements) {
    if (placement.server_id == server) return placement.worker_id;
  }
  return "";
}

TEST(AssignmentTest, SpreadsByShareOfCapacity) {
  std::vector<Waiting> waiting;
  for (int i = 0; i < 12; ++i) waiting.push_back({.server_id = absl::StrCat("s", i)});
  Worker large = MakeWorker("large", "a"), small = MakeWorker("small", "b");
  large.max_server_count = 20;
  std::map<std::string, int> counts;
  for (const Placement& placement : Assign({large, small}, waiting)) ++counts[placement.worker_id];
  EXPECT_EQ(counts["large"], 8);
  EXPECT_EQ(counts["small"], 4);
}

TEST(AssignmentTest, NeverMoreThanAWorkerTakes) {
  std::vector<Waiting> waiting;
  for (int i = 0; i < 30; ++i) waiting.push_back({.server_id = absl::StrCat("s", i)});
  EXPECT_EQ(Assign({MakeWorker("w", "a", 3)}, waiting).size(), 7u);
}

TEST(AssignmentTest, PassesOverWorkersThatCannotOrMustNot) {
  Worker dead = MakeWorker("dead", "a"), draining = MakeWorker("draining", "a"),
         leaving = MakeWorker("leaving", "a"), full = MakeWorker("full", "a"),
         other = MakeWorker("other", "a"), right = MakeWorker("right", "a", 9);
  dead.dead = draining.draining = leaving.leaving = true;
  full.store_free_bytes = 1 << 20;
  other.labels = {{"zone", "2"}};
  right.labels = {{"zone", "1"}, {"disk", "nvme"}};
  const std::vector<Waiting> waiting = {{.server_id = "s", .labels = {{"zone", "1"}}}};
  EXPECT_EQ(PlaceOf(Assign({dead, draining, leaving, full, other, right}, waiting), "s"), "right");
  EXPECT_EQ(PlaceOf(Assign({dead, draining, leaving, full, other}, waiting), "s"), "");
}

TEST(AssignmentTest, StaysWithItsStore) {
  const Worker home = MakeWorker("home", "a", 9), away = MakeWorker("away", "b");
  std::vector<Waiting> waiting = {{.server_id = "s", .store_id = "a"}};
  EXPECT_EQ(PlaceOf(Assign({home, away}, waiting), "s"), "home");
  // A full store's servers wait for it.
  waiting[0].waited = absl::Hours(10);
  EXPECT_EQ(PlaceOf(Assign({MakeWorker("home", "a", 10), away}, waiting), "s"), "");
}

TEST(AssignmentTest, LeavesItsStoreOnlyWhenNobodyServesItForLong) {
  Worker gone = MakeWorker("gone", "a");
  const Worker away = MakeWorker("away", "b");
  gone.dead = true;
  std::vector<Waiting> waiting = {{.server_id = "s", .store_id = "a", .waited = absl::Minutes(29)}};
  EXPECT_EQ(PlaceOf(Assign({gone, away}, waiting), "s"), "");
  waiting[0].waited = absl::Minutes(31);
  EXPECT_EQ(PlaceOf(Assign({gone, away}, waiting), "s"), "away");
  // An operator who drains wants the move now.
  gone.dead = false;
  gone.draining = true;
  waiting[0].waited = absl::ZeroDuration();
  EXPECT_EQ(PlaceOf(Assign({gone, away}, waiting), "s"), "away");
  // Unless another worker serves the store too.
  EXPECT_EQ(PlaceOf(Assign({gone, away, MakeWorker("home", "a", 10)}, waiting), "s"), "");
}

}  // namespace
}  // namespace godwit::coordinator
