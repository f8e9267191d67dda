#include "services/common/base/json_log.h"

#include <gtest/gtest.h>

namespace godwit {
namespace {

TEST(JsonEscape, LeavesTextAndUtf8Alone) { EXPECT_EQ(JsonEscape("pâté 1"), "pâté 1"); }

TEST(JsonEscape, NoInputBreaksOutOfTheString) {
  EXPECT_EQ(JsonEscape("a\"b\\c\n\x1b[0m"), "a\\\"b\\\\c\\u000a\\u001b[0m");
  EXPECT_EQ(JsonEscape(absl::string_view("\0", 1)), "\\u0000");
  EXPECT_EQ(JsonEscape("\xff\xc3"), "\\u00ff\\u00c3");
}

}  // namespace
}  // namespace godwit
