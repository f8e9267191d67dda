#include "cli/launch_options.h"

#include "tests/support/status_matchers.h"

namespace godwit::cli {
namespace {

using testing::StatusIs;

TEST(PortForward, GuestHostAddress) {
  ASSERT_OK_AND_ASSIGN(const auto guest, ParsePortForward("80"));
  EXPECT_EQ(guest.guest_port(), 80);
  EXPECT_EQ(guest.host_port(), 0);
  ASSERT_OK_AND_ASSIGN(const auto host, ParsePortForward("80:8080"));
  EXPECT_EQ(host.host_port(), 8080);
  ASSERT_OK_AND_ASSIGN(const auto address, ParsePortForward("80:0:10.0.0.1"));
  EXPECT_EQ(address.host_port(), 0);
  EXPECT_EQ(address.host_address(), "10.0.0.1");
  ASSERT_OK_AND_ASSIGN(const auto six, ParsePortForward("80:81:[::1]"));
  EXPECT_EQ(six.host_address(), "::1");
}

TEST(PortForward, NamesTheOption) {
  for (const char* text : {"", "0", "65536", "x", "80:x", "80:-1", "80:1:[::1"}) {
    EXPECT_THAT(ParsePortForward(text),
                StatusIs(absl::StatusCode::kInvalidArgument, "--port-forward"))
        << text;
  }
}

TEST(HttpCheck, PortPathStatusAndText) {
  ASSERT_OK_AND_ASSIGN(const auto plain, ParseHttpCheck("8080"));
  EXPECT_EQ(plain.path(), "/");
  EXPECT_EQ(plain.status(), 0);
  ASSERT_OK_AND_ASSIGN(const auto all,
                       ParseHttpCheck("80/a/b?c=d,status=204,contains=one, status=two"));
  EXPECT_EQ(all.guest_port(), 80);
  EXPECT_EQ(all.path(), "/a/b?c=d");
  EXPECT_EQ(all.status(), 204);
  EXPECT_EQ(all.body_contains(), "one, status=two");
  ASSERT_OK_AND_ASSIGN(const auto no_path, ParseHttpCheck("80,contains=ACME shop"));
  EXPECT_EQ(no_path.path(), "/");
  EXPECT_EQ(no_path.body_contains(), "ACME shop");
}

TEST(HttpCheck, NamesTheOption) {
  for (const char* text :
       {"", "/", "http://x/", "0/", "80/,status=99", "80/,status=x", "80/,size=4"}) {
    EXPECT_THAT(ParseHttpCheck(text), StatusIs(absl::StatusCode::kInvalidArgument, "--boot-http"))
        << text;
  }
}

}  // namespace
}  // namespace godwit::cli
