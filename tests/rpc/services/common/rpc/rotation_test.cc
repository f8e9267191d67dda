// Certificates and CAs that are replaced while servers and clients run: no call fails, and new
// connections use the new ones. Real servers, real TLS, files as --tls-dir has them.
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "services/common/rpc/ca.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "tests/support/no_scopes.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_pki.h"

namespace godwit::rpc {
namespace {

using ::godwit::testing::TempDir;
using ::godwit::testing::TestPki;
namespace pb = ::godwit::jobs::v1;

class Echo final : public pb::JobService::Service {
 public:
  grpc::Status GetJob(grpc::ServerContext* context, const pb::GetJobRequest*,
                      pb::Job* response) override {
    return Serve(context, "test.Echo", [&](const Call& call) {
      response->set_name(call.peer.Principal());
      return absl::OkStatus();
    });
  }
};

class RotationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Install("service/jobs", old_, old_.ca().certificate_pem);
    Install("user/viewer/v", old_, old_.ca().certificate_pem);
    server_ = *Server::Start(
        {.listen = "127.0.0.1:0", .tls = *LoadWatchedTls(Dir("service/jobs")), .scopes = &scopes_},
        {&service_});
  }
  std::string Dir(const std::string& principal) { return dir_ / principal; }
  // Key and certificate of `principal` from `pki`, and what it trusts; one file after the other, as
  // an operator would.
  void Install(const std::string& principal, const TestPki& pki, const std::string& trust) {
    const TlsMaterial made = pki.Issue(principal);
    ASSERT_OK(MakeDirs(Dir(principal)));
    ASSERT_OK(WriteFileAtomically(Dir(principal) + "/tls.key", made.private_key));
    // Long enough for somebody to see a key without its certificate.
    if (server_ != nullptr && principal == "service/jobs") absl::SleepFor(absl::Milliseconds(1200));
    ASSERT_OK(WriteFileAtomically(Dir(principal) + "/tls.crt", made.certificate_chain));
    Trust(principal, trust);
  }
  void Trust(const std::string& principal, const std::string& trust) {
    ASSERT_OK(WriteFileAtomically(Dir(principal) + "/ca.crt", trust));
  }
  absl::Status Ask(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(10));
    pb::Job job;
    return FromGrpc(pb::JobService::NewStub(channel)->GetJob(&context, {}, &job));
  }
  std::shared_ptr<grpc::Channel> DialWith(const TlsMaterial& tls) {
    return Dial(absl::StrCat("127.0.0.1:", server_->port()), *ParsePrincipal("service/jobs"), tls);
  }
  // A connection of its own that trusts `pki` alone and shows a certificate of `own`.
  absl::Status AskTrusting(const TestPki& pki, const TestPki& own) {
    TlsMaterial tls = own.Issue("user/viewer/other");
    tls.ca = pki.ca().certificate_pem;
    return Ask(DialWith(tls));
  }
  // The files are looked at twice a second, and what was made of them every second.
  static void Settle() { absl::SleepFor(absl::Milliseconds(1800)); }

  const TestPki old_, new_;
  const std::string both_ = old_.ca().certificate_pem + new_.ca().certificate_pem;
  TempDir dir_;
  Echo service_;
  ::godwit::testing::NoScopes scopes_;
  std::unique_ptr<Server> server_;
};

// Old CA, then both, then the new one; all certificates replaced on the way, under traffic: one
// connection that stays, and new ones all the time.
TEST_F(RotationTest, FromOneCaToAnotherWithoutAFailedCall) {
  std::atomic<bool> stop = false;
  std::atomic<int> calls = 0;
  std::vector<std::string> failures;
  absl::Mutex mutex;
  const auto traffic = [&](bool new_connections) {
    const TlsMaterial tls = *LoadWatchedTls(Dir("user/viewer/v"));
    std::shared_ptr<grpc::Channel> channel = DialWith(tls);
    while (!stop) {
      if (new_connections) channel = DialWith(tls);
      const absl::Status status = Ask(channel);
      ++calls;
      if (!status.ok()) {
        absl::MutexLock lock(&mutex);
        failures.push_back(status.ToString());
      }
      absl::SleepFor(absl::Milliseconds(5));
    }
  };
  std::thread kept(traffic, false), fresh(traffic, true);

  ASSERT_OK(AskTrusting(old_, old_));
  EXPECT_FALSE(AskTrusting(old_, new_).ok());
  // 1. Everybody trusts both.
  Trust("service/jobs", both_);
  Trust("user/viewer/v", both_);
  Settle();
  EXPECT_OK(AskTrusting(old_, new_));
  EXPECT_FALSE(AskTrusting(new_, new_).ok()) << "the server still shows the old one's certificate";
  // 2. Certificates of the new CA.
  Install("service/jobs", new_, both_);
  Install("user/viewer/v", new_, both_);
  Settle();
  EXPECT_OK(AskTrusting(new_, new_));
  EXPECT_OK(AskTrusting(new_, old_));
  EXPECT_FALSE(AskTrusting(old_, old_).ok()) << "the server still shows the old one's certificate";
  // 3. The old CA goes.
  Trust("service/jobs", new_.ca().certificate_pem);
  Trust("user/viewer/v", new_.ca().certificate_pem);
  Settle();
  EXPECT_OK(AskTrusting(new_, new_));
  EXPECT_FALSE(AskTrusting(new_, old_).ok()) << "the old CA is still trusted";

  stop = true;
  kept.join();
  fresh.join();
  EXPECT_THAT(failures, ::testing::IsEmpty());
  EXPECT_GT(calls, 100);
  std::cout << calls << " calls from the old CA to the new one, " << failures.size() << " failed"
            << std::endl;
}

}  // namespace
}  // namespace godwit::rpc
