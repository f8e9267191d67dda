#include "services/common/base/ids.h"

#include <set>

#include "tests/support/status_matchers.h"

namespace godwit {
namespace {

using ::godwit::testing::StatusIs;

TEST(Ids, NewIdHasPrefixAnd17HexDigitsAndIsNew) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = NewId("s-");
    EXPECT_OK(CheckId("id", "s-", id));
    EXPECT_TRUE(seen.insert(id).second);
  }
}

TEST(Ids, CheckIdRefusesOtherForms) {
  for (const char* bad :
       {"", "s-", "s-0123456789abcdef", "s-0123456789abcdef01", "S-0123456789abcdef0",
        "s-0123456789ABCDEF0", "s-0123456789abcdeg0", "x-0123456789abcdef0"}) {
    EXPECT_THAT(CheckId("name", "s-", bad), StatusIs(absl::StatusCode::kInvalidArgument, "name"))
        << bad;
  }
}

TEST(Ids, DerivedIdIsStableAndDependsOnTheSeed) {
  EXPECT_EQ(DerivedId("job-", "a"), DerivedId("job-", "a"));
  EXPECT_NE(DerivedId("job-", "a"), DerivedId("job-", "b"));
  EXPECT_OK(CheckId("id", "job-", DerivedId("job-", "")));
}

TEST(Ids, UuidIsOfVersion4) {
  EXPECT_OK(CheckUuid("request_id", NewUuid()));
  EXPECT_THAT(CheckUuid("request_id", "not-a-uuid"),
              StatusIs(absl::StatusCode::kInvalidArgument, "request_id"));
  EXPECT_THAT(CheckUuid("request_id", "123e4567-e89b-12d3-a456-426614174000"),
              StatusIs(absl::StatusCode::kInvalidArgument, "version 4"));
}

TEST(Ids, ParseNameTakesTheIdOut) {
  ASSERT_OK_AND_ASSIGN(const std::string id, ParseName("name", "sourceServers", "s-",
                                                       "sourceServers/s-0123456789abcdef0"));
  EXPECT_EQ(id, "s-0123456789abcdef0");
  EXPECT_THAT(ParseName("name", "sourceServers", "s-", "jobs/s-0123456789abcdef0"),
              StatusIs(absl::StatusCode::kInvalidArgument, "sourceServers/s-"));
}

}  // namespace
}  // namespace godwit
