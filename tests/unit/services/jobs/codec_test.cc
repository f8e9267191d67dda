#include "services/jobs/storage/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::StatusIs;

TEST(Codec, CleansWhatPostgresCannotKeep) {
  EXPECT_EQ(Clean("plain äöü €"), "plain äöü €");
  EXPECT_EQ(Clean(std::string("a\0b", 3)), "a?b");
  EXPECT_EQ(Clean("\xff\xfe"), "??");
  EXPECT_EQ(Clean("\xc0\xaf"), "??") << "overlong";
  EXPECT_EQ(Clean("\xed\xa0\x80"), "???") << "surrogate";
  EXPECT_EQ(Clean("\xe2\x82"), "??") << "cut off";
  EXPECT_EQ(Clean("ab€", 4), "ab") << "never half a character";
}

TEST(Codec, MapsAndListsComeBack) {
  const std::map<std::string, std::string> map = {{"a", "1"}, {"quote\"\\", "line\nbreak"}};
  EXPECT_EQ(*MapFromJson(MapToJson(map)), map);
  const std::vector<std::string> list = {"x", ""};
  EXPECT_EQ(*ListFromJson(ListToJson(list)), list);
}

TEST(Codec, RefusesWhatIsNotItsOwn) {
  EXPECT_THAT(InputFromJson("{}"), StatusIs(absl::StatusCode::kInternal, "server"));
  EXPECT_THAT(InputFromJson("[1"), StatusIs(absl::StatusCode::kInternal, "server"));
  EXPECT_THAT(MapFromJson(R"({"a":1})"), StatusIs(absl::StatusCode::kInternal, "a"));
  EXPECT_THAT(MapFromJson("[]"), StatusIs(absl::StatusCode::kInternal, "object"));
  EXPECT_THAT(ListFromJson("[1]"), StatusIs(absl::StatusCode::kInternal, "text"));
  std::string text = InputToJson({.server = "s-1"});
  text.replace(text.find("\"cpu_count\":0"), 13, "\"cpu_count\":\"\"");
  EXPECT_THAT(InputFromJson(text), StatusIs(absl::StatusCode::kInternal, "cpu_count"));
}

}  // namespace
}  // namespace godwit::jobs
