// What a point alone holds, against what deleting it gives back.
#include "services/replication/worker/store/point_sizes.h"

#include "tests/unit/services/replication/worker/store/store_fixture.h"

namespace godwit::store {
namespace {

constexpr std::int64_t kBlock = block::kBlockSize;

LayerTable Table(std::uint32_t cluster_bytes, std::vector<std::uint64_t> clusters,
                 std::vector<std::uint64_t> zeros = {}) {
  LayerTable table{.cluster_bytes = cluster_bytes};
  for (const std::uint64_t cluster : clusters) table.placed.push_back({cluster, 4096, {}});
  for (const std::uint64_t cluster : zeros) table.placed.push_back({cluster, Placed::kZero, {}});
  std::sort(table.placed.begin(), table.placed.end(),
            [](const Placed& a, const Placed& b) { return a.block < b.block; });
  return table;
}

TEST(ReplacedBytes, CountsPagesWhateverTheClusters) {
  const LayerTable coarse = Table(block::kBlockSize, {0, 1, 5}, {9});
  const LayerTable fine = Table(kPageBytes, {3, 16, 17, 200}, {18});
  // Pages 3 of block 0; 0, 1 and (with zeros) 2 of block 1.
  EXPECT_EQ(ReplacedBytes({coarse}, {fine}), 4 * kPageBytes);
  EXPECT_EQ(ReplacedBytes({fine}, {coarse}), 3 * kPageBytes) << "zeros hold nothing";
  EXPECT_EQ(ReplacedBytes({coarse, fine}, {coarse}), 3 * kBlock + 3 * kPageBytes);
  EXPECT_EQ(ReplacedBytes({coarse}, {}), 0);
  EXPECT_EQ(ReplacedBytes({}, {fine}), 0);
}

class PointSizesTest : public StoreTest {
 protected:
  std::map<std::int64_t, std::int64_t> Sizes() {
    std::map<std::int64_t, std::int64_t> sizes;
    for (const PointSize& size : group_->PointSizes(100)) sizes[size.epoch] = size.own_bytes;
    return sizes;
  }
};

TEST_F(PointSizesTest, IsWhatDeletingItGivesBack) {
  ASSERT_OK(Write(0, 0, 30, 'a'));
  ASSERT_OK(Write(1, 0, 25, 'A'));
  Commit();  // 1: the bases
  ASSERT_OK(Write(0, 0, 10, 'b'));
  ASSERT_OK(Write(1, 0, 4, 'B'));
  Commit();                         // 2
  ASSERT_OK(Write(0, 2, 10, 'c'));  // replaces 8 of the 10
  ASSERT_OK(Zero(1, 1, 2));         // and 2 of the 4
  Commit();                         // 3
  ASSERT_OK(Write(0, 30, 6, 'd'));  // replaces nothing
  Commit();                         // 4
  const auto sizes = Sizes();
  ASSERT_EQ(sizes.size(), 4u);
  EXPECT_EQ(sizes.at(1), 0) << "a base stays";
  EXPECT_EQ(sizes.at(2), 10 * kBlock);
  EXPECT_EQ(sizes.at(3), 0);
  EXPECT_GE(sizes.at(4), 6 * kBlock) << "nothing else needs the newest one's layers";
  EXPECT_LE(sizes.at(4), 24 * kBlock);
  EXPECT_EQ(Sizes(), sizes) << "and remembers";

  const std::int64_t before = group_->AllocatedBytes();
  ASSERT_OK(group_->DeletePoints({2}));
  const std::int64_t freed = before - group_->AllocatedBytes();
  // Tables of the image are gone with it, and the headers of an encrypted one.
  EXPECT_GE(freed, sizes.at(2));
  EXPECT_LE(freed, sizes.at(2) + 24 * kBlock);
  for (const std::int64_t epoch : {1, 3, 4}) ExpectPoint(epoch);
  EXPECT_EQ(Sizes().at(3), 0) << "with the files that are there now";
  ASSERT_OK(Write(0, 2, 10, 'e'));
  Commit();  // 5
  EXPECT_EQ(Sizes().at(4), 0);
  ASSERT_OK(group_->DeletePoints({4}));
  EXPECT_EQ(Sizes().at(3), 10 * kBlock) << "the next kept one replaces what 3 has";
}

TEST_F(PointSizesTest, FineLayersCountByPages) {
  ASSERT_OK(Write(0, 0, 8, 'a'));
  ASSERT_OK(Write(1, 0, 8, 'A'));
  Commit();
  for (const char seed : {'b', 'c'}) {
    ASSERT_OK(Patch(0, 8, 16, seed));    // two pages
    ASSERT_OK(Patch(1, 128, 8, seed));   // one
    ASSERT_OK(Patch(1, seed, 8, seed));  // others each time
    Commit(/*interim=*/true);
    Commit();
  }
  const auto sizes = Sizes();
  const std::int64_t own =
      std::max_element(sizes.begin(), std::prev(sizes.end()), [](const auto& a, const auto& b) {
        return a.second < b.second;
      })->second;
  EXPECT_GE(own, 3 * std::int64_t{kPageBytes});
  EXPECT_LE(own, 5 * std::int64_t{kPageBytes});
}

}  // namespace
}  // namespace godwit::store
