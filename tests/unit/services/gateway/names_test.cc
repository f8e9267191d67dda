#include "services/gateway/mgn/names.h"

#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "services/common/base/ids.h"
#include "services/gateway/mgn/router.h"

namespace godwit::gateway::mgn {
namespace {

TEST(Names, Arns) {
  const Place place;
  const std::string arn = Arn(place, "source-server", "s-1");
  EXPECT_EQ(arn, "arn:aws:mgn:us-east-1:000000000000:source-server/s-1");
  ASSERT_TRUE(ParseArn(arn, place).has_value());
  EXPECT_EQ(ParseArn(arn, place)->type, "source-server");
  EXPECT_EQ(ParseArn(arn, place)->id, "s-1");
  EXPECT_TRUE(ParseArn("arn:aws-cn:mgn:elsewhere:000000000000:job/mgnjob-1", place).has_value());
  for (const char* wrong :
       {"", "arn", "arn:aws:mgn:us-east-1:000000000000", "arn:aws:ec2:us-east-1:000000000000:a/b",
        "arn:aws:mgn:us-east-1:111111111111:a/b", "arn:aws:mgn:us-east-1:000000000000:a",
        "arn:aws:mgn:us-east-1:000000000000:a/", "arn:aws:mgn:us-east-1:000000000000:a/b/c",
        "arn:aws:mgn:us-east-1:000000000000:/b"}) {
    EXPECT_FALSE(ParseArn(wrong, place).has_value()) << wrong;
  }
}

TEST(Names, Ids) {
  EXPECT_EQ(*ServerName("s-0123456789abcdef0"), "sourceServers/s-0123456789abcdef0");
  EXPECT_EQ(*JobName("mgnjob-0123456789abcdef0"), "jobs/job-0123456789abcdef0");
  EXPECT_TRUE(absl::IsNotFound(ServerName("s-0123456789abcdefZ").status()));
  EXPECT_TRUE(absl::IsNotFound(JobName("mgnjob-0123456789abcdefZ").status()));
  EXPECT_EQ(MgnJobId("jobs/job-0123456789abcdef0"), "mgnjob-0123456789abcdef0");
  EXPECT_EQ(MgnJobId(""), "");
  EXPECT_TRUE(CheckUuid("id", UuidOf("seed")).ok());
  EXPECT_EQ(UuidOf("seed"), UuidOf("seed"));
  EXPECT_NE(UuidOf("seed"), UuidOf("seed2"));
}

TEST(Names, TimesAndDurations) {
  EXPECT_EQ(TimeText(absl::FromUnixMillis(1767323045678)), "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(ParseTimeText("2026-01-02T03:04:05.678Z"), absl::FromUnixMillis(1767323045678));
  EXPECT_EQ(ParseTimeText("2026-01-02T03:04:05Z"), absl::FromUnixSeconds(1767323045));
  EXPECT_FALSE(ParseTimeText("2026-02-30T03:04:05Z").has_value());
  EXPECT_EQ(DurationText(absl::ZeroDuration()), "PT0S");
  EXPECT_EQ(DurationText(absl::Seconds(150)), "PT2M30S");
  EXPECT_EQ(DurationText(absl::Hours(25)), "PT25H");
  EXPECT_EQ(DurationText(absl::Seconds(-1)), "PT0S");
}

TEST(Names, PageTokensBelongToTheirList) {
  const std::string token = PageToken("DescribeJobs", "{}", "place/1");
  EXPECT_EQ(*ParsePageToken("DescribeJobs", "{}", token), "place/1");
  EXPECT_EQ(PageToken("DescribeJobs", "{}", ""), "");
  EXPECT_EQ(*ParsePageToken("DescribeJobs", "{}", ""), "");
  EXPECT_FALSE(ParsePageToken("DescribeJobs", "{\"a\":1}", token).ok());
  EXPECT_FALSE(ParsePageToken("DescribeSourceServers", "{}", token).ok());
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(ParsePageToken("DescribeJobs", "{}", changed).ok()) << i;
  }
  for (const std::string& wrong : {std::string("x"), std::string("===="), std::string(2049, 'A'),
                                   absl::WebSafeBase64Escape("0123456789abcdef")}) {
    EXPECT_FALSE(ParsePageToken("DescribeJobs", "{}", wrong).ok()) << wrong;
  }
}

TEST(Router, FindsByTheRawPath) {
  ASSERT_TRUE(FindRoute("POST", "/StartTest").has_value());
  EXPECT_EQ(FindRoute("POST", "/StartTest")->operation->name, "StartTest");
  const auto tags = FindRoute("DELETE", "/tags/arn%3Aaws%2Fx%20y");
  ASSERT_TRUE(tags.has_value());
  EXPECT_EQ(tags->operation->name, "UntagResource");
  EXPECT_EQ(tags->uri.at("resourceArn"), "arn:aws/x y");
  for (const char* path :
       {"/", "/starttest", "/StartTest/", "//StartTest", "/./StartTest", "/x/../StartTest",
        "/%53tartTest", "/tags", "/tags/", "/tags/a/b", "/tags/%zz"}) {
    EXPECT_FALSE(FindRoute("POST", path).has_value()) << path;
  }
  EXPECT_FALSE(FindRoute("GET", "/StartTest").has_value());
  EXPECT_EQ(FindRoute("GET", "/DescribeVcenterClients")->operation->name, "DescribeVcenterClients");
}

}  // namespace
}  // namespace godwit::gateway::mgn
