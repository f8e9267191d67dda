#include "services/gateway/mgn/json_text.h"

#include <gtest/gtest.h>

namespace godwit::gateway::mgn {
namespace {

TEST(ParseJson, TakesWhatIsJson) {
  const auto document = ParseJson(R"({"a": [1, -2, 0.5, true, null, "\u00e9\ud83d\ude00"]})");
  ASSERT_TRUE(document.ok()) << document.status();
  EXPECT_EQ((*document)["a"][5], "é😀");
  EXPECT_EQ((*document)["a"][1], -2);
  EXPECT_TRUE(ParseJson("-0").ok());
  EXPECT_TRUE(ParseJson(std::string(32, '[') + std::string(32, ']')).ok());
}

TEST(ParseJson, RefusesWhatIsNot) {
  const std::string nul("{\"a\0b\": 1}", 10);
  for (const std::string& text :
       {std::string(""), std::string("{"), std::string("{}x"), std::string("NaN"),
        std::string("{\"a\": 1e400}"), std::string("[Infinity]"), std::string("{'a': 1}"),
        std::string("[1,]"), std::string("\"\\ud800\""), std::string("\"\\udc00\\ud800\""),
        std::string("\"\xff\""), std::string("\"\xed\xa0\x80\""), std::string("\"\n\""),
        std::string("[01]"), nul, std::string("/* */ 1"),
        std::string(33, '[') + std::string(33, ']')}) {
    EXPECT_EQ(ParseJson(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(ParseJson, RefusesTheSameKeyTwice) {
  const auto twice = ParseJson(R"({"a": {"key": 1, "\u006bey": 2}})");
  EXPECT_EQ(twice.status().message(), "the key \"key\" appears twice");
  EXPECT_TRUE(ParseJson(R"([{"a": 1}, {"a": 1}])").ok());
}

TEST(ParseJson, IsBounded) {
  EXPECT_EQ(ParseJson(std::string(1 << 20, '[')).status().message(), "nested too deeply");
  std::string many = "[0";
  for (int i = 0; i < 100'000; ++i) many += ",0";
  EXPECT_EQ(ParseJson(many + "]").status().message(), "too many values");
}

}  // namespace
}  // namespace godwit::gateway::mgn
