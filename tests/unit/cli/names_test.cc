#include "cli/names.h"

#include <sstream>

#include "services/common/base/clock.h"
#include "tests/support/status_matchers.h"

namespace godwit::cli {
namespace {

using testing::StatusIs;
constexpr char kServer[] = "sourceServers/s-0123456789abcdef0";

TEST(Names, AServersIdNeedsNoRegistry) {
  std::ostringstream out, err;
  Context context(out, err, false, RealClock());
  EXPECT_EQ(*ServerName(context, "s-0123456789abcdef0"), kServer);
  EXPECT_EQ(*ServerName(context, kServer), kServer);
  EXPECT_EQ(context.subject(), kServer);
  EXPECT_THAT(ServerName(context, "sourceServers/web1"),
              StatusIs(absl::StatusCode::kInvalidArgument, "SERVER"));
  EXPECT_THAT(ServerName(context, "web1"),
              StatusIs(absl::StatusCode::kInvalidArgument, "--registry"));
}

TEST(Names, SimpleOnesWithAndWithoutTheCollection) {
  EXPECT_EQ(*JobName("job-1"), "jobs/job-1");
  EXPECT_EQ(*JobName("jobs/job-1"), "jobs/job-1");
  for (const char* text : {"", "1", "jobs/1", "jobs/job-1/x", "tokens/job-1"}) {
    EXPECT_THAT(JobName(text), StatusIs(absl::StatusCode::kInvalidArgument, "JOB")) << text;
  }
}

TEST(Names, PointsBelongToTheirServer) {
  EXPECT_EQ(*PointName(kServer, "p-1"), std::string(kServer) + "/points/p-1");
  EXPECT_EQ(*PointName(kServer, std::string(kServer) + "/points/p-1"),
            std::string(kServer) + "/points/p-1");
  EXPECT_THAT(PointName(kServer, "sourceServers/s-1/points/p-1"),
              StatusIs(absl::StatusCode::kInvalidArgument, "of another server"));
}

TEST(Names, KeysWithValues) {
  ASSERT_OK_AND_ASSIGN(const auto entries, KeyValues("--tag", {"a=b=c", "d="}));
  EXPECT_EQ(entries.at("a"), "b=c");
  EXPECT_EQ(entries.at("d"), "");
  EXPECT_THAT(KeyValues("--tag", {"a"}),
              StatusIs(absl::StatusCode::kInvalidArgument, "not KEY=VALUE"));
  EXPECT_THAT(KeyValues("--tag", {"=b"}),
              StatusIs(absl::StatusCode::kInvalidArgument, "not KEY=VALUE"));
  EXPECT_THAT(KeyValues("--tag", {"a=1", "a=2"}),
              StatusIs(absl::StatusCode::kInvalidArgument, "twice"));
}

}  // namespace
}  // namespace godwit::cli
