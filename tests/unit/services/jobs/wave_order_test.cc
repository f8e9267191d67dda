// The order of a wave's applications.
#include "services/jobs/domain/wave_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::ElementsAre;

GroupWish Wish(const std::string& name, int order = 0, std::vector<std::string> after = {}) {
  return {.id = "app-" + name,
          .name = name,
          .order = order,
          .ordered = order != 0,
          .after = std::move(after)};
}

std::vector<std::string> Ids(const std::vector<GroupWish>& wishes) {
  const auto order = OrderGroups(wishes);
  EXPECT_OK(order);
  std::vector<std::string> out;
  if (!order.ok()) return out;
  for (const PlacedGroup& group : *order) out.push_back(group.id);
  return out;
}

TEST(WaveOrderTest, ByNameWhereNothingIsSaid) {
  EXPECT_THAT(Ids({Wish("Web"), Wish("Billing"), Wish("Data")}),
              ElementsAre("app-Billing", "app-Data", "app-Web"));
  EXPECT_THAT(Ids({}), ElementsAre());
}

TEST(WaveOrderTest, LowerOrderFirst) {
  EXPECT_THAT(Ids({Wish("Web", 1), Wish("Billing", 2), Wish("Data")}),
              ElementsAre("app-Data", "app-Web", "app-Billing"));
}

TEST(WaveOrderTest, NeverBeforeWhatItComesAfter) {
  // "after" wins over name and number; what is free to go keeps its place.
  EXPECT_THAT(Ids({Wish("App", 1, {"app-Data"}), Wish("Data", 9), Wish("Mail", 5),
                   Wish("Web", 0, {"app-App"})}),
              ElementsAre("app-Mail", "app-Data", "app-App", "app-Web"));
}

TEST(WaveOrderTest, TheSameNameTwiceIsOrderedById) {
  EXPECT_THAT(Ids({{.id = "app-2", .name = "Shop"}, {.id = "app-1", .name = "Shop"}}),
              ElementsAre("app-1", "app-2"));
}

TEST(WaveOrderTest, SaysWhyAGroupStandsWhereItStands) {
  const auto order = OrderGroups({Wish("App", 3, {"app-Data"}), Wish("Data"), Wish("Web", 4)});
  ASSERT_OK(order);
  EXPECT_EQ((*order)[0].placement, "by name");
  EXPECT_EQ((*order)[1].placement, "order 3, after Data");
  EXPECT_EQ((*order)[2].placement, "order 4");
}

TEST(WaveOrderTest, RefusesCircles) {
  EXPECT_THAT(OrderGroups({Wish("A", 0, {"app-C"}), Wish("B", 0, {"app-A"}),
                           Wish("C", 0, {"app-B"}), Wish("D", 0, {"app-A"}), Wish("E")}),
              StatusIs(absl::StatusCode::kInvalidArgument, "A after C after B after A"));
  EXPECT_THAT(OrderGroups({Wish("A", 0, {"app-A"})}),
              StatusIs(absl::StatusCode::kInvalidArgument, "A cannot come after itself"));
}

TEST(WaveOrderTest, RefusesWhatIsNotInTheWave) {
  EXPECT_THAT(OrderGroups({Wish("A", 0, {"app-X"})}),
              StatusIs(absl::StatusCode::kInvalidArgument, "applications/app-X"));
}

TEST(WaveOrderTest, ALongChainIsOrderedAsItHangs) {
  std::vector<GroupWish> wishes;
  for (int i = 0; i < 200; ++i) {
    // The later the name, the earlier its turn.
    wishes.push_back(Wish(std::string(1, static_cast<char>('a' + i % 26)) + std::to_string(i), 0));
    if (i > 0) wishes[static_cast<std::size_t>(i) - 1].after = {wishes.back().id};
  }
  const std::vector<std::string> ids = Ids(wishes);
  ASSERT_EQ(ids.size(), 200u);
  for (std::size_t i = 0; i < ids.size(); ++i) EXPECT_EQ(ids[i], wishes[199 - i].id);
}

}  // namespace
}  // namespace godwit::jobs
