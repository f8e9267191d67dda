#include "services/gateway/http/head.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "services/gateway/http/percent.h"

namespace godwit::gateway {
namespace {

// The status of the refusal, 0 when it is taken.
int Status(const std::string& text) {
  const auto head = ParseHead(text);
  return std::holds_alternative<Head>(head) ? 0 : std::get<HeadFault>(head).status;
}
// A head with these lines beside a host.
int With(const std::string& lines) {
  return Status(absl::StrCat("POST /x HTTP/1.1\r\nHost: h\r\n", lines, "\r\n"));
}

TEST(ParseHead, TakesWhatClientsSend) {
  const auto parsed = ParseHead(
      "POST /tags/arn%3Aaws?tagKeys=a&b HTTP/1.1\r\nHost: gateway:8443\r\nContent-Length: 12\r\n"
      "X-Amz-Date:\t20260101T000000Z \r\nEmpty:\r\nConnection: close\r\nExpect: "
      "100-Continue\r\n\r\n");
  ASSERT_TRUE(std::holds_alternative<Head>(parsed)) << std::get<HeadFault>(parsed).message;
  const Head& head = std::get<Head>(parsed);
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.path(), "/tags/arn%3Aaws");
  EXPECT_EQ(head.query(), "tagKeys=a&b");
  EXPECT_EQ(head.content_length, 12u);
  EXPECT_EQ(head.Header("x-amz-date"), "20260101T000000Z");
  EXPECT_EQ(head.Header("empty"), "");
  EXPECT_FALSE(head.keep_alive);
  EXPECT_TRUE(head.expect_continue);
  EXPECT_EQ(With(""), 0);
  EXPECT_EQ(Status("GET / HTTP/1.0\r\nHost: h\r\n\r\n"), 0);
}

TEST(ParseHead, RefusesRequestLines) {
  for (const char* line : {"POST /x", "POST  /x HTTP/1.1", "post /x HTTP/1.1", "POST x HTTP/1.1",
                           " POST /x HTTP/1.1", "POST https://other/x HTTP/1.1", "POST * HTTP/1.1",
                           "POST /a b HTTP/1.1", "POST /a#b HTTP/1.1", "POST /\x01 HTTP/1.1",
                           "POST /\xc3\xa9 HTTP/1.1", "", "VERYLONGMETHODNAME /x HTTP/1.1"}) {
    EXPECT_EQ(Status(absl::StrCat(line, "\r\nHost: h\r\n\r\n")), 400) << line;
  }
  EXPECT_EQ(Status("PRI * HTTP/2.0\r\n\r\n"), 400);
  EXPECT_EQ(Status("GET / HTTP/2.0\r\nHost: h\r\n\r\n"), 505);
  EXPECT_EQ(Status(absl::StrCat("GET /", std::string(9000, 'a'), " HTTP/1.1\r\nHost: h\r\n\r\n")),
            414);
}

TEST(ParseHead, RefusesWhatTwoReadersUnderstandDifferently) {
  EXPECT_EQ(With("A: b\r\n c: d\r\n"), 400);  // continued line
  EXPECT_EQ(With("A : b\r\n"), 400);          // blank before the colon
  EXPECT_EQ(With("A: b\nC: d\r\n"), 400);     // bare LF
  EXPECT_EQ(With("A: b\rC: d\r\n"), 400);     // bare CR
  EXPECT_EQ(With(std::string("A: \0b\r\n", 8)), 400);
  EXPECT_EQ(With("A\r\n"), 400);
  EXPECT_EQ(With(": b\r\n"), 400);
  EXPECT_EQ(With("A\xc3\xa9: b\r\n"), 400);
  EXPECT_EQ(With("Host: other\r\n"), 400);
  EXPECT_EQ(With("Content-Length: 1\r\nContent-Length: 1\r\n"), 400);
  EXPECT_EQ(With("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400);
  EXPECT_EQ(With("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"), 400);
  EXPECT_EQ(With("Authorization: a\r\nauthorization: b\r\n"), 400);
  for (const char* length : {"", "-1", "+1", "1 ", "0x1", "1,1", "1.0", "9999999999999999999"}) {
    const std::string line = absl::StrCat("Content-Length: ", length, "\r\n");
    EXPECT_EQ(With(line), std::string(length) == "1 " ? 0 : 400) << line;
  }
  EXPECT_EQ(Status("GET / HTTP/1.1\r\n\r\n"), 400);  // no host
  EXPECT_EQ(Status("GET / HTTP/1.1\r\nHost: h\r\n"), 400);
}

TEST(ParseHead, IsBounded) {
  EXPECT_EQ(With("Transfer-Encoding: chunked\r\n"), 411);
  EXPECT_EQ(With("Content-Length: 1048576\r\n"), 0);
  EXPECT_EQ(With("Content-Length: 1048577\r\n"), 413);
  EXPECT_EQ(With("Expect: magic\r\n"), 417);
  std::string many;
  for (int i = 0; i < 64; ++i) absl::StrAppend(&many, "A", i, ": b\r\n");
  EXPECT_EQ(With(many), 431);
  EXPECT_EQ(With(absl::StrCat("A: ", std::string(17000, 'b'), "\r\n")), 431);
}

TEST(Percent, GoesBothWays) {
  EXPECT_EQ(PercentEncode("a b/é~+%", "/"), "a%20b/%C3%A9~%2B%25");
  EXPECT_EQ(PercentDecode("a%20b%2f%2F+"), "a b//+");
  for (const char* wrong : {"%", "%2", "%g0", "%0g", "a%"}) {
    EXPECT_FALSE(PercentDecode(wrong).has_value()) << wrong;
  }
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(PercentDecode(PercentEncode(all)), all);
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(ParseQuery("b=%26&a&c=d=e&"), (Pairs{{"b", "&"}, {"a", ""}, {"c", "d=e"}, {"", ""}}));
  EXPECT_FALSE(ParseQuery("a=%zz").has_value());
}

}  // namespace
}  // namespace godwit::gateway
