// Channels to several copies of a service, of which one hangs: its port is open and nobody answers.
#include <grpcpp/grpcpp.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "tests/support/cut_line.h"
#include "tests/support/status_matchers.h"
#include "tests/support/tcp_listener.h"
#include "tests/support/test_pki.h"

namespace godwit::rpc {
namespace {

using ::godwit::testing::CutLine;
using ::godwit::testing::StatusIs;
using ::godwit::testing::TcpListener;
using ::godwit::testing::TestPki;
namespace pb = ::godwit::jobs::v1;

class Counting final : public pb::JobService::Service {
 public:
  grpc::Status GetJob(grpc::ServerContext* context, const pb::GetJobRequest*, pb::Job*) override {
    ++calls;
    return Serve(context, "test.Count", kServices, [](const Call&) { return absl::OkStatus(); });
  }
  std::atomic<int> calls = 0;
};

struct Copy {
  explicit Copy(const TestPki& pki) {
    auto started =
        Server::Start({.listen = "127.0.0.1:0", .tls = pki.Issue("service/jobs")}, {&service});
    EXPECT_OK(started);
    server = *std::move(started);
  }
  Counting service;
  std::unique_ptr<Server> server;
};

class CopiesTest : public ::testing::Test {
 protected:
  std::shared_ptr<grpc::Channel> DialBoth(int first, int second) {
    return Dial(absl::StrCat("ipv4:127.0.0.1:", first, ",127.0.0.1:", second),
                *ParsePrincipal("service/jobs"), tls_);
  }
  static absl::Status Ask(const std::shared_ptr<grpc::Channel>& channel, absl::Duration patience) {
    grpc::ClientContext context;
    SetTimeout(context, patience);
    pb::Job job;
    return FromGrpc(pb::JobService::NewStub(channel)->GetJob(&context, {}, &job));
  }

  TestPki pki_;
  const TlsMaterial tls_ = pki_.Issue("service/registry");
  Copy here_{pki_};
};

TEST_F(CopiesTest, OneThatNeverAnswersIsNotWaitedFor) {
  ASSERT_OK_AND_ASSIGN(const TcpListener hung, TcpListener::Open());
  const auto channel = DialBoth(hung.port(), here_.server->port());
  const absl::Time began = absl::Now();
  for (int i = 0; i < 10; ++i) EXPECT_OK(Ask(channel, absl::Seconds(60)));
  EXPECT_LT(absl::Now() - began, absl::Seconds(10)) << "an attempt to connect may take 15 s";
  EXPECT_TRUE(hung.WasReached());
  EXPECT_EQ(here_.service.calls, 10);
}

TEST_F(CopiesTest, OneThatHangsIsLeftAtTheNextTryAndThenGivenUp) {
  Copy there(pki_);
  std::atomic<bool> hangs = false, ends = false;
  {
    CutLine line(there.server->port(), [&](char*, std::size_t) {
      while (hangs && !ends) absl::SleepFor(absl::Milliseconds(10));
    });
    const auto channel = DialBoth(line.port(), here_.server->port());
    for (int i = 0; i < 600 && (there.service.calls == 0 || here_.service.calls == 0); ++i) {
      EXPECT_OK(Ask(channel, absl::Seconds(30)));
    }
    ASSERT_GT(there.service.calls, 0) << "calls take turns";
    hangs = true;
    // Of two calls one after the other, one is answered.
    int answered = 0;
    for (int i = 0; i < 2; ++i) answered += Ask(channel, absl::Seconds(2)).ok() ? 1 : 0;
    EXPECT_EQ(answered, 1);
    // A caller with patience is told when the connection is given up.
    absl::Status given_up;
    const absl::Time began = absl::Now();
    for (int i = 0; i < 2 && given_up.ok(); ++i) given_up = Ask(channel, absl::Minutes(2));
    EXPECT_THAT(given_up, StatusIs(absl::StatusCode::kUnavailable, ""));
    EXPECT_LT(absl::Now() - began, absl::Seconds(25)) << "it was 30 s";
    for (int i = 0; i < 10; ++i) EXPECT_OK(Ask(channel, absl::Seconds(30)));
    ends = true;
  }
}

}  // namespace
}  // namespace godwit::rpc
