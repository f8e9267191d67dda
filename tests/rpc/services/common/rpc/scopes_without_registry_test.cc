// How long a service knows the scopes of users while the registry is away, and that it refuses them
// then.
#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "godwit/registry/v1/scope_service.grpc.pb.h"
#include "services/common/clients/scope_client.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_pki.h"

namespace godwit::rpc {
namespace {

using ::godwit::testing::StatusIs;
namespace jobs = ::godwit::jobs::v1;
namespace registry = ::godwit::registry::v1;

MATCHER_P(Answers, text, "") {
  *result_listener << arg.status();
  return arg.ok() && *arg == text;
}

class Registry final : public registry::ScopeService::Service {
 public:
  grpc::Status ResolveScope(grpc::ServerContext* context, const registry::ResolveScopeRequest* ask,
                            registry::ResolvedScope* answer) override {
    return Serve(context, "ScopeService.ResolveScope", kServices, [&](const Call&) {
      answer->set_limited(ask->principal() == "user/viewer/limited");
      answer->add_names("sourceServers/s-1");
      return absl::OkStatus();
    });
  }
};

// Tells nothing but whether the call was admitted.
class Jobs final : public jobs::JobService::Service {
 public:
  grpc::Status ListJobs(grpc::ServerContext* context, const jobs::ListJobsRequest*,
                        jobs::ListJobsResponse* response) override {
    return Serve(context, "jobs.ListJobs", kReaders, [&](const Call& call) {
      if (call.scope != nullptr) response->set_next_page_token(*call.scope->names.begin());
      return absl::OkStatus();
    });
  }
};

class ScopesWithoutRegistryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    StartRegistry(0);
    registry_port_ = registry_server_->port();
    ScopesFromRegistry::Options options;
    options.clock = &clock_;
    scopes_ = std::make_unique<ScopesFromRegistry>(
        Dial(absl::StrCat("127.0.0.1:", registry_port_), *ParsePrincipal("service/registry"),
             pki_.Issue("service/jobs")),
        nullptr, options);
    ASSERT_OK_AND_ASSIGN(jobs_server_, Server::Start({.listen = "127.0.0.1:0",
                                                      .tls = pki_.Issue("service/jobs"),
                                                      .scopes = scopes_.get()},
                                                     {&jobs_}));
  }
  void StartRegistry(int port) {
    ASSERT_OK_AND_ASSIGN(registry_server_,
                         Server::Start({.listen = absl::StrCat("127.0.0.1:", port),
                                        .tls = pki_.Issue("service/registry")},
                                       {&registry_}));
  }
  // The first name of the scope that the call had; "": it had none.
  absl::StatusOr<std::string> Ask(const std::string& who) {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(20));
    jobs::ListJobsResponse response;
    const absl::Status status =
        FromGrpc(jobs::JobService::NewStub(Dial(absl::StrCat("127.0.0.1:", jobs_server_->port()),
                                                *ParsePrincipal("service/jobs"), pki_.Issue(who)))
                     ->ListJobs(&context, {}, &response));
    if (!status.ok()) return status;
    return response.next_page_token();
  }
  void ExpectRefused(const std::string& who) {
    const absl::Status status = Ask(who).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, "is limited to a scope"));
    EXPECT_EQ(GetInfo(status).reason, "SCOPE_NOT_KNOWN");
  }

  ::godwit::testing::TestPki pki_;
  FakeClock clock_;
  Registry registry_;
  Jobs jobs_;
  int registry_port_ = 0;
  std::unique_ptr<Server> registry_server_;
  std::unique_ptr<ScopesFromRegistry> scopes_;
  std::unique_ptr<Server> jobs_server_;
};

TEST_F(ScopesWithoutRegistryTest, WhatWasKnownCountsForHalfAMinute) {
  const std::string limited = "user/viewer/limited", free = "user/operator/free";
  EXPECT_THAT(Ask(limited), Answers("sourceServers/s-1"));
  EXPECT_THAT(Ask(free), Answers(""));
  registry_server_.reset();
  ExpectRefused("user/viewer/stranger");
  clock_.Advance(absl::Seconds(29.9));
  EXPECT_THAT(Ask(limited), Answers("sourceServers/s-1")) << "and limited still";
  EXPECT_THAT(Ask(free), Answers(""));
  clock_.Advance(absl::Seconds(0.2));
  ExpectRefused(limited);
  ExpectRefused(free);
  clock_.Advance(absl::Hours(1));
  ExpectRefused(limited);
  EXPECT_OK(Ask("user/admin/root"));
  EXPECT_OK(Ask("service/registry"));

  StartRegistry(registry_port_);
  const absl::Time give_up = absl::Now() + absl::Seconds(30);
  absl::StatusOr<std::string> again = Ask(limited);
  while (absl::IsUnavailable(again.status()) && absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(100));
    clock_.Advance(absl::Seconds(1));
    again = Ask(limited);
  }
  EXPECT_THAT(again, Answers("sourceServers/s-1"));
}

}  // namespace
}  // namespace godwit::rpc
