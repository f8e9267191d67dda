#include "services/registry/rpc/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/common/rpc/serve.h"
#include "tests/support/status_matchers.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;

TEST(FieldsTest, PageTokensGoRoundAndRubbishIsRefused) {
  const PageKey key{.time = absl::FromUnixMicros(1'780'000'000'123'456), .id = "s-1"};
  ASSERT_OK_AND_ASSIGN(const PageKey back, ParsePageToken(PageToken(key)));
  EXPECT_EQ(back.time, key.time);
  EXPECT_EQ(back.id, key.id);
  EXPECT_EQ(ParsePageToken("")->id, "");
  EXPECT_EQ(*ParseNumberToken(NumberToken(17)), 17);
  EXPECT_EQ(*ParseNumberToken(""), 0);
  for (const std::string& token :
       std::vector<std::string>{"%", "AAAA", "bm8vc2xhc2g", NumberToken(3), NumberToken(-3)}) {
    EXPECT_THAT(ParsePageToken(token), StatusIs(absl::StatusCode::kInvalidArgument, "page_token"));
  }
  for (const std::string& token :
       {PageToken(key), NumberToken(-3), NumberToken(0), std::string("x")}) {
    EXPECT_THAT(ParseNumberToken(token),
                StatusIs(absl::StatusCode::kInvalidArgument, "page_token"));
  }
}

TEST(FieldsTest, PageSizesHaveABound) {
  EXPECT_EQ(*PageSize(0), kDefaultPageSize);
  EXPECT_EQ(*PageSize(7), 7);
  EXPECT_EQ(*PageSize(1'000'000), kMaxPageSize);
  EXPECT_THAT(PageSize(-1), StatusIs(absl::StatusCode::kInvalidArgument, "page_size"));
}

TEST(FieldsTest, TagsHaveBounds) {
  Tags tags;
  for (int i = 0; i < 50; ++i) tags[absl::StrCat("k", i)] = std::string(256, 'v');
  EXPECT_OK(CheckTags("tags", tags));
  tags["one too many"] = "";
  EXPECT_THAT(CheckTags("tags", tags), StatusIs(absl::StatusCode::kInvalidArgument, "51 tags"));
  tags.clear();
  tags[std::string(129, 'k')] = "";
  EXPECT_FALSE(CheckTags("tags", tags).ok());
  tags.clear();
  tags["k"] = std::string("a\0b", 3);
  EXPECT_THAT(CheckTags("tags", tags),
              StatusIs(absl::StatusCode::kInvalidArgument, "control characters"));
}

TEST(FieldsTest, Etags) {
  EXPECT_OK(CheckEtag("", 7));
  EXPECT_OK(CheckEtag(Etag(7), 7));
  const absl::Status stale = CheckEtag(Etag(6), 7);
  EXPECT_THAT(stale, StatusIs(absl::StatusCode::kAborted, "read it again"));
  EXPECT_EQ(rpc::GetInfo(stale).reason, "STALE_ETAG");
}

}  // namespace
}  // namespace godwit::registry
