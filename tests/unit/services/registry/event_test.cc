#include "services/registry/domain/event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "tests/support/status_matchers.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;

constexpr char kStream[] = "0a1b2c3d-0000-4000-8000-00000000000a";

TEST(EventTest, TokensGoRoundAndNothingElseIsOne) {
  ASSERT_OK_AND_ASSIGN(const EventToken token,
                       ParseEventToken(FormatEventToken({.stream = kStream, .sequence = 77})));
  EXPECT_EQ(token.stream, kStream);
  EXPECT_EQ(token.sequence, 77);
  EXPECT_EQ(token.told, std::nullopt);
  const auto told =
      ParseEventToken(FormatEventToken({.stream = kStream, .sequence = 77, .told = ~0ull}));
  ASSERT_OK(told);
  EXPECT_EQ(told->sequence, 77);
  EXPECT_EQ(told->told, ~0ull);
  for (const std::string& text :
       {std::string(""), std::string("e1/"), std::string("e1//1"),
        absl::StrCat("e2/", kStream, "/1"), absl::StrCat("e2/", kStream, "/1/"),
        absl::StrCat("e2/", kStream, "/1/-2"), absl::StrCat("e2/", kStream, "/1/2/3"),
        absl::StrCat("e1/", kStream, "/-1"), absl::StrCat("e1/", kStream, "/"),
        absl::StrCat("e1/", kStream, "/1/2"),
        absl::StrCat("e1/", kStream, "/99999999999999999999")}) {
    EXPECT_THAT(ParseEventToken(absl::WebSafeBase64Escape(text)),
                StatusIs(absl::StatusCode::kInvalidArgument, "token"))
        << text;
  }
  EXPECT_THAT(ParseEventToken(std::string(1000, 'A')),
              StatusIs(absl::StatusCode::kInvalidArgument, "token"));
}

TEST(EventTest, ATokenIsGoodWhileWhatFollowsIsThere) {
  const auto check = [](std::int64_t at, const EventLook& look) {
    return CheckEventToken({.stream = kStream, .sequence = at}, look);
  };
  EXPECT_OK(check(5, {.stream = kStream, .head = 9, .first = 6}));
  EXPECT_OK(check(9, {.stream = kStream, .head = 9, .first = 0}));
  EXPECT_OK(check(0, {.stream = kStream, .head = 0, .first = 0}));
  EXPECT_THAT(check(5, {.stream = kStream, .head = 9, .first = 7}),
              StatusIs(absl::StatusCode::kOutOfRange, "not kept"));
  EXPECT_THAT(check(5, {.stream = kStream, .head = 9, .first = 0}),
              StatusIs(absl::StatusCode::kOutOfRange, "not kept"));
  EXPECT_THAT(check(10, {.stream = kStream, .head = 9, .first = 0}),
              StatusIs(absl::StatusCode::kOutOfRange, "restored"));
  EXPECT_THAT(check(5, {.stream = "other", .head = 9, .first = 6}),
              StatusIs(absl::StatusCode::kOutOfRange, "installation"));
}

TEST(EventTest, FiltersByTypeAndByAnyName) {
  const EventRecord event{.type = 2, .server_id = "s-1", .application_id = "app-1"};
  EXPECT_TRUE(EventFilter().Passes(event));
  EXPECT_TRUE(EventFilter({.types = {1, 2}}).Passes(event));
  EXPECT_FALSE(EventFilter({.types = {3}}).Passes(event));
  EXPECT_TRUE(EventFilter({.servers = {"s-1"}}).Passes(event));
  EXPECT_FALSE(EventFilter({.servers = {"s-2"}}).Passes(event));
  EXPECT_TRUE(EventFilter({.servers = {"s-2"}, .applications = {"app-1"}}).Passes(event));
  EXPECT_FALSE(EventFilter({.types = {3}, .servers = {"s-1"}}).Passes(event));
  EXPECT_FALSE(EventFilter({.waves = {"wave-1"}}).Passes(event));
}

}  // namespace
}  // namespace godwit::registry
