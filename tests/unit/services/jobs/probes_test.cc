#include "services/jobs/steps/probes.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/support/status_matchers.h"

namespace godwit::jobs {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::HasSubstr;

// Accepts one connection, sends `answer` after what the peer sent (unless nothing is to be
// waited for) and closes, or keeps it open for a while.
class OneShot {
 public:
  OneShot(std::string answer, bool wait_for_request, absl::Duration keep_open) {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
    socklen_t size = sizeof(address);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    endpoint_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
    thread_ = std::thread([this, answer = std::move(answer), wait_for_request, keep_open] {
      const int peer = accept(listener_, nullptr, nullptr);
      char buffer[4096];
      if (wait_for_request) {
        const ssize_t got = read(peer, buffer, sizeof(buffer));
        if (got > 0) request_.assign(buffer, static_cast<std::size_t>(got));
      }
      send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
      absl::SleepFor(keep_open);
      close(peer);
    });
  }
  ~OneShot() {
    Join();
    close(listener_);
  }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }
  const std::string& endpoint() const { return endpoint_; }
  const std::string& request() const { return request_; }

 private:
  int listener_;
  std::string endpoint_, request_;
  std::thread thread_;
};

constexpr absl::Duration kTimeout = absl::Seconds(5);

TEST(ProbeTcp, AnOpenOrGreetingPortAnswers) {
  const OneShot quiet("", false, absl::Seconds(1));
  EXPECT_OK(ProbeTcp(quiet.endpoint(), kTimeout));
  const OneShot greeting("SSH-2.0-x\r\n", false, absl::ZeroDuration());
  EXPECT_OK(ProbeTcp(greeting.endpoint(), kTimeout));
}

TEST(ProbeTcp, APortThatClosesAtOnceOrRefusesDoesNot) {
  const OneShot closing("", false, absl::ZeroDuration());
  EXPECT_THAT(ProbeTcp(closing.endpoint(), kTimeout),
              StatusIs(absl::StatusCode::kUnavailable, "closed at once"));
  EXPECT_THAT(ProbeTcp("127.0.0.1:1", kTimeout),
              StatusIs(absl::StatusCode::kUnavailable, "refused"));
  EXPECT_THAT(ProbeTcp("localhost", kTimeout),
              StatusIs(absl::StatusCode::kInternal, "no endpoint"));
}

TEST(ProbeHttp, TakesStatusAndBody) {
  OneShot server("HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello world", true, absl::ZeroDuration());
  const auto answer =
      ProbeHttp(server.endpoint(), {.path = "/health", .body_contains = "world"}, kTimeout);
  ASSERT_OK(answer);
  EXPECT_EQ(*answer, "HTTP 200, 11 bytes");
  server.Join();
  EXPECT_THAT(server.request(), HasSubstr("GET /health HTTP/1.0\r\n"));
}

TEST(ProbeHttp, SaysWhatIsWrong) {
  const auto probe = [](std::string answer, const HttpCheck& check) {
    const OneShot server(std::move(answer), true, absl::ZeroDuration());
    return ProbeHttp(server.endpoint(), check, kTimeout);
  };
  EXPECT_THAT(probe("HTTP/1.1 503 No\r\n\r\n", {}),
              StatusIs(absl::StatusCode::kUnavailable, "503 instead of 200"));
  EXPECT_THAT(probe("HTTP/1.1 200 OK\r\n\r\nabc", {.body_contains = "xyz"}),
              StatusIs(absl::StatusCode::kUnavailable, "body"));
  EXPECT_THAT(probe("SSH-2.0-x\r\n\r\n", {}), StatusIs(absl::StatusCode::kUnavailable, "no HTTP"));
  EXPECT_THAT(probe("HTTP/1.1 x\r\n\r\n", {}), StatusIs(absl::StatusCode::kUnavailable, "no HTTP"));
}

TEST(ProbeHttp, DoesNotWaitForEver) {
  const OneShot server("HTTP/1.1 200 OK\r\n", true, absl::Seconds(1));
  const absl::Time begin = absl::Now();
  EXPECT_THAT(ProbeHttp(server.endpoint(), {}, absl::Milliseconds(300)),
              StatusIs(absl::StatusCode::kUnavailable, "answer"));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(1));
}

}  // namespace
}  // namespace godwit::jobs
