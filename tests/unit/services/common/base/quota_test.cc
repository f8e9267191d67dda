#include "services/common/base/quota.h"

#include <gtest/gtest.h>

namespace godwit {
namespace {

Quota Of(std::int64_t limit, std::optional<std::int64_t> used) {
  return {.code = "THINGS",
          .title = "things",
          .limit = limit,
          .used = used,
          .option = "quota-things",
          .advice = "remove some"};
}

TEST(Quotas, TheLastPlaceIsTaken) {
  EXPECT_TRUE(CheckQuota(Of(3, 2), 1).ok());
  EXPECT_FALSE(CheckQuota(Of(3, 2), 2).ok());
  EXPECT_FALSE(CheckQuota(Of(3, 3), 1).ok());
  // An installation beyond a limit that was lowered may shrink.
  EXPECT_TRUE(CheckQuota(Of(3, 5), 0).ok());
  EXPECT_TRUE(CheckQuota(Of(3, 5), -1).ok());
}

TEST(Quotas, RefusalsSayWhatToDoAndWhichItWas) {
  const absl::Status status = CheckQuota(Of(3, 2), 2);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(
      status.message(),
      "quota THINGS: at most 3 things; there are 2 and 2 more would be too many; remove some, "
      "or raise --quota-things");
  const auto quota = RefusedQuota(status);
  ASSERT_TRUE(quota.has_value());
  EXPECT_EQ(quota->code, "THINGS");
  EXPECT_EQ(quota->limit, 3);
  EXPECT_EQ(quota->used, 2);
  EXPECT_EQ(quota->option, "quota-things");
  EXPECT_EQ(
      CheckQuota(Of(3, std::nullopt), 4).message(),
      "quota THINGS: at most 3 things; there would be 4; remove some, or raise --quota-things");
  EXPECT_FALSE(RefusedQuota(absl::ResourceExhaustedError("disk full")).has_value());
  EXPECT_FALSE(RefusedQuota(absl::OkStatus()).has_value());
}

}  // namespace
}  // namespace godwit
