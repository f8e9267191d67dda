// Who gets through to a handler: real servers, real TLS.
#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "tests/support/no_scopes.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_pki.h"

namespace godwit::rpc {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TestPki;
namespace pb = ::godwit::jobs::v1;

// Answers with the caller's principal.
class WhoAmI final : public pb::JobService::Service {
 public:
  grpc::Status GetJob(grpc::ServerContext* context, const pb::GetJobRequest*,
                      pb::Job* response) override {
    return Serve(context, "test.WhoAmI", kOperators | kServices, [&](const Call& call) {
      response->set_name(call.peer.Principal());
      return absl::OkStatus();
    });
  }
};

class TlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = Server::Start(
        {.listen = "127.0.0.1:0", .tls = pki_.Issue("service/jobs"), .scopes = &scopes_},
        {&service_});
    ASSERT_OK(server);
    server_ = *std::move(server);
    endpoint_ = absl::StrCat("127.0.0.1:", server_->port());
  }

  absl::StatusOr<std::string> Ask(const std::shared_ptr<grpc::Channel>& channel) {
    const auto stub = pb::JobService::NewStub(channel);
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(10));
    pb::Job job;
    const absl::Status status = FromGrpc(stub->GetJob(&context, {}, &job));
    if (!status.ok()) return status;
    return job.name();
  }

  const Identity jobs_ = *ParsePrincipal("service/jobs");
  TestPki pki_;
  WhoAmI service_;
  ::godwit::testing::NoScopes scopes_;
  std::unique_ptr<Server> server_;
  std::string endpoint_;
};

TEST_F(TlsTest, AllowedPeersGetThroughUnderTheirName) {
  EXPECT_EQ(*Ask(Dial(endpoint_, jobs_, pki_.Issue("user/operator/alice"))), "user/operator/alice");
  EXPECT_EQ(*Ask(Dial(endpoint_, jobs_, pki_.Issue("service/registry"))), "service/registry");
}

TEST_F(TlsTest, OtherRolesAreDenied) {
  EXPECT_THAT(Ask(Dial(endpoint_, jobs_, pki_.Issue("user/viewer/v"))),
              StatusIs(absl::StatusCode::kPermissionDenied, "operator"));
  EXPECT_THAT(Ask(Dial(endpoint_, jobs_, pki_.Issue("agent/s-0123456789abcdef0"))),
              StatusIs(absl::StatusCode::kPermissionDenied, "agent/"));
}

TEST_F(TlsTest, PeersWithoutACertificateOfOursDoNotConnect) {
  const TestPki other;
  TlsMaterial foreign = other.Issue("user/operator/mallory");
  foreign.ca = pki_.ca().certificate_pem;
  EXPECT_THAT(Ask(Dial(endpoint_, jobs_, foreign)), StatusIs(absl::StatusCode::kUnavailable, ""));
  EXPECT_THAT(Ask(DialWithoutCertificate(endpoint_, jobs_, pki_.ca().certificate_pem)),
              StatusIs(absl::StatusCode::kUnavailable, ""));
  EXPECT_THAT(Ask(Dial(endpoint_, jobs_, pki_.Issue("user/operator/late", absl::Seconds(-60)))),
              StatusIs(absl::StatusCode::kUnavailable, ""));
}

TEST_F(TlsTest, AServerThatIsSomebodyElseIsNotTrusted) {
  EXPECT_THAT(
      Ask(Dial(endpoint_, *ParsePrincipal("service/registry"), pki_.Issue("user/operator/alice"))),
      StatusIs(absl::StatusCode::kUnavailable, ""));
}

TEST_F(TlsTest, FirstContactIsByPin) {
  auto enroll = Server::Start({.listen = "127.0.0.1:0",
                               .tls = pki_.Issue("service/registry"),
                               .client_auth = ClientAuth::kNone},
                              {&service_});
  ASSERT_OK(enroll);
  const std::string endpoint = absl::StrCat("127.0.0.1:", (*enroll)->port());
  ASSERT_OK_AND_ASSIGN(const std::string pin, CertificatePin(pki_.ca().certificate_pem));
  ASSERT_OK_AND_ASSIGN(const std::string ca, FetchPinnedCa(endpoint, pin, absl::Seconds(10)));
  EXPECT_EQ(ca, pki_.ca().certificate_pem);
  EXPECT_THAT(FetchPinnedCa(endpoint, std::string(64, '0'), absl::Seconds(10)),
              StatusIs(absl::StatusCode::kUnauthenticated, "pin"));
  EXPECT_THAT(FetchPinnedCa("127.0.0.1:1", pin, absl::Seconds(10)),
              StatusIs(absl::StatusCode::kUnavailable, "refused"));
  // Without a certificate a handler that does not say kAnybody stays closed.
  EXPECT_THAT(Ask(DialWithoutCertificate(endpoint, *ParsePrincipal("service/registry"), ca)),
              StatusIs(absl::StatusCode::kUnauthenticated, "certificate"));
}

}  // namespace
}  // namespace godwit::rpc
