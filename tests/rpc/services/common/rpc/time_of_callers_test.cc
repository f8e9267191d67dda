// What is done for a caller has the time that he still waits: what came before the handler is taken
// off, and calls to others get no more than what is left.
#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "services/common/base/deadline_scope.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/scope.h"
#include "services/common/rpc/serve.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_pki.h"

namespace godwit::rpc {
namespace {

namespace jobs = ::godwit::jobs::v1;

constexpr absl::Duration kCallerWaits = absl::Seconds(20);
constexpr absl::Duration kScopeTakes = absl::Seconds(1);

// Says slowly that nobody is limited.
class SlowScopes final : public ScopeSource {
 public:
  absl::StatusOr<std::shared_ptr<const Scope>> Find(const std::string&,
                                                    const std::vector<std::string>&) override {
    absl::SleepFor(kScopeTakes);
    return nullptr;
  }
};

class Jobs final : public jobs::JobService::Service {
 public:
  grpc::Status ListJobs(grpc::ServerContext* context, const jobs::ListJobsRequest*,
                        jobs::ListJobsResponse*) override {
    return Serve(context, "jobs.ListJobs", kReaders, [&](const Call&) {
      left_ = TimeLeft();
      grpc::ClientContext onwards;
      SetTimeout(onwards, absl::Hours(1));
      onwards_ = absl::FromChrono(onwards.deadline()) - absl::Now();
      return absl::OkStatus();
    });
  }
  absl::Duration left_, onwards_;
};

TEST(TimeOfCallersTest, IsWhatIsLeftOfIt) {
  ::godwit::testing::TestPki pki;
  SlowScopes scopes;
  Jobs service;
  ASSERT_OK_AND_ASSIGN(
      const auto server,
      Server::Start({.listen = "127.0.0.1:0", .tls = pki.Issue("service/jobs"), .scopes = &scopes},
                    {&service}));
  grpc::ClientContext context;
  SetTimeout(context, kCallerWaits);
  EXPECT_GT(absl::FromChrono(context.deadline()) - absl::Now(), kCallerWaits / 2)
      << "no scope of time here: as long as was asked for";
  jobs::ListJobsResponse response;
  ASSERT_OK(FromGrpc(jobs::JobService::NewStub(Dial(absl::StrCat("127.0.0.1:", server->port()),
                                                    *ParsePrincipal("service/jobs"),
                                                    pki.Issue("user/viewer/some")))
                         ->ListJobs(&context, {}, &response)));
  EXPECT_GT(service.left_, absl::ZeroDuration());
  EXPECT_LT(service.left_, kCallerWaits - kScopeTakes + absl::Milliseconds(100));
  EXPECT_LE(service.onwards_, service.left_);
}

}  // namespace
}  // namespace godwit::rpc
