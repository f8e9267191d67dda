#include "services/registry/domain/told_servers.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace godwit::registry {
namespace {

TEST(ToldServersTest, WhoIsNotLimitedKnowsAll) {
  ToldServers told;
  EXPECT_FALSE(told.limited());
  EXPECT_TRUE(told.Has("s-1"));
  told.Remove("s-1");
  EXPECT_TRUE(told.Has("s-1"));
  told.Add("s-1");
  EXPECT_EQ(told.digest(), std::nullopt);
}

TEST(ToldServersTest, TheDigestIsThatOfTheSetHoweverItCameAbout) {
  ToldServers told(std::set<std::string>({"s-1"}));
  EXPECT_TRUE(told.limited());
  EXPECT_TRUE(told.Has("s-1"));
  EXPECT_FALSE(told.Has("s-2"));
  const auto one = told.digest();
  told.Add("s-2");
  told.Add("s-2");
  EXPECT_NE(told.digest(), one);
  EXPECT_EQ(told.digest(), DigestOf({"s-2", "s-1"}));
  told.Remove("s-3");
  told.Remove("s-1");
  told.Remove("s-1");
  EXPECT_EQ(told.digest(), DigestOf({"s-2"}));
  EXPECT_EQ(told.ids(), std::set<std::string>({"s-2"}));
  told.Remove("s-2");
  EXPECT_EQ(told.digest(), 0u) << "limited, and told of nothing";
}

// Tokens hold digests: another computation would refuse them all.
TEST(ToldServersTest, TheDigestStaysWhatItIs) {
  EXPECT_EQ(DigestOf({"s-0123456789abcdef0"}), 10543965610627898989u);
}

TEST(ToldServersTest, NoTwoSetsOfTheFleetHaveOneDigest) {
  std::set<std::string> ids;
  std::set<std::uint64_t> digests = {0};
  for (int i = 0; i < 1000; ++i) {
    ids.insert(absl::StrCat("s-", absl::Hex(i, absl::kZeroPad17)));
    digests.insert(DigestOf(ids));
    digests.insert(DigestOf({*ids.rbegin()}));
  }
  EXPECT_EQ(digests.size(), 2000u) << "the first one comes twice";
}

}  // namespace
}  // namespace godwit::registry
