// What calls carry beside their request: who speaks for whom, request ids, and what the access
// table does to both. Real servers, real TLS.
#include "services/common/rpc/caller.h"

#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/request_scope.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "tests/support/no_scopes.h"
#include "tests/support/status_matchers.h"
#include "tests/support/test_pki.h"

namespace godwit::rpc {
namespace {

using ::godwit::testing::StatusIs;
using ::godwit::testing::TestPki;
using Metadata = std::vector<std::pair<std::string, std::string>>;
namespace pb = ::godwit::jobs::v1;

constexpr char kId[] = "0c9e2a6e-52c1-4d0f-9a66-7d6d3c5f8a10";

// Tells its callers what it knows of them: "PRINCIPAL|ADDRESS|PROFILE|GATEWAY", and the request id.
class Witness final : public pb::JobService::Service {
 public:
  grpc::Status GetJob(grpc::ServerContext* context, const pb::GetJobRequest*,
                      pb::Job* response) override {
    return Serve(context, "test.GetJob", [&](const Call& call) {
      Tell(call, response);
      if (next == nullptr) return absl::OkStatus();
      grpc::ClientContext onward;  // as services call each other
      SetTimeout(onward, absl::Seconds(10));
      pb::Job answer;
      return FromGrpc(pb::JobService::NewStub(next)->GetJob(&onward, {}, &answer));
    });
  }
  grpc::Status WatchJob(grpc::ServerContext* context, const pb::WatchJobRequest*,
                        grpc::ServerWriter<pb::Job>* writer) override {
    const absl::StatusOr<Call> call = Admit(*context, "test.WatchJob");
    if (!call.ok()) return ToGrpc(call.status());
    pb::Job job;
    Tell(*call, &job);
    writer->Write(job);
    return grpc::Status::OK;
  }
  // The table lets services alone call this one; the handler names another method and would let
  // anybody.
  grpc::Status CreateJob(grpc::ServerContext* context, const pb::CreateJobRequest*,
                         pb::Job* response) override {
    return Serve(context, "jobs.GetJob", ~std::uint32_t{0}, [&](const Call& call) {
      Tell(call, response);
      return absl::OkStatus();
    });
  }

  std::shared_ptr<grpc::Channel> next;
  std::string last_request_id, thread_request_id;

 private:
  void Tell(const Call& call, pb::Job* job) {
    job->set_name(absl::StrCat(call.peer.Principal(), "|", call.address, "|",
                               call.lifecycle_profile, "|", call.gateway));
    job->set_initiated_by(call.request_id);
    last_request_id = call.request_id;
    thread_request_id = CurrentRequestId();
  }
};

class CallerTest : public ::testing::Test {
 protected:
  CallerTest() {
    server_ = *Server::Start(
        {.listen = "127.0.0.1:0", .tls = pki_.Issue("service/jobs"), .scopes = &scopes_},
        {&service_});
  }
  std::shared_ptr<grpc::Channel> As(const std::string& principal) {
    return Dial(absl::StrCat("127.0.0.1:", server_->port()), jobs_, pki_.Issue(principal));
  }
  // GetJob, WatchJob or CreateJob.
  absl::StatusOr<pb::Job> Ask(const std::string& principal, const Metadata& metadata,
                              const std::string& method = "GetJob") {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(10));
    for (const auto& [key, value] : metadata) context.AddMetadata(key, value);
    const auto stub = pb::JobService::NewStub(As(principal));
    pb::Job job;
    grpc::Status status;
    if (method == "WatchJob") {
      const auto reader = stub->WatchJob(&context, pb::WatchJobRequest());
      while (reader->Read(&job)) {
      }
      status = reader->Finish();
    } else if (method == "CreateJob") {
      status = stub->CreateJob(&context, pb::CreateJobRequest(), &job);
    } else {
      status = stub->GetJob(&context, pb::GetJobRequest(), &job);
    }
    if (!status.ok()) return FromGrpc(status);
    return job;
  }

  const Identity jobs_ = *ParsePrincipal("service/jobs");
  TestPki pki_;
  Witness service_;
  ::godwit::testing::NoScopes scopes_;
  std::unique_ptr<Server> server_;
};

TEST_F(CallerTest, AGatewaySpeaksForUsersAndNobodyElseDoes) {
  const Metadata for_ci = {{kOnBehalfOfKey, "user/operator/ci"},
                           {kClientAddressKey, "203.0.113.5"},
                           {kLifecycleProfileKey, "lenient"}};
  for (const char* method : {"GetJob", "WatchJob"}) {
    ASSERT_OK_AND_ASSIGN(const pb::Job job, Ask("service/gateway", for_ci, method));
    EXPECT_EQ(job.name(),
              "user/operator/ci|203.0.113.5 via service/gateway|lenient|service/gateway");
    for (const char* other : {"service/jobs", "service/registry", "user/admin/a", "worker/w-1",
                              "agent/s-1", "conversion-worker/x"}) {
      for (const auto& one : for_ci) {
        EXPECT_THAT(Ask(other, {one}, method), StatusIs(absl::StatusCode::kPermissionDenied, other))
            << one.first;
      }
    }
    // For itself it may not call; nor does it become more than the user is.
    EXPECT_THAT(Ask("service/gateway", {}, method),
                StatusIs(absl::StatusCode::kPermissionDenied, "service/gateway"));
  }
  EXPECT_THAT(Ask("service/gateway", {{kOnBehalfOfKey, "user/admin/a"}}, "CreateJob"),
              StatusIs(absl::StatusCode::kPermissionDenied, "user/admin/a"));
  EXPECT_OK(Ask("service/registry", {}, "CreateJob"));
  EXPECT_THAT(Ask("user/admin/a", {}, "CreateJob"),
              StatusIs(absl::StatusCode::kPermissionDenied, "service"));
  // Without a client address: that of the gateway.
  ASSERT_OK_AND_ASSIGN(const pb::Job plain,
                       Ask("service/gateway", {{kOnBehalfOfKey, "user/viewer/v"}}));
  EXPECT_THAT(plain.name(), ::testing::MatchesRegex(
                                "user/viewer/v\\|ipv4.*127.0.0.1.* via service/gateway\\|\\|.*"));
}

TEST_F(CallerTest, MetadataIsBoundedAndChecked) {
  for (const char* principal :
       {"service/registry", "agent/s-1", "worker/w-1", "service/gateway", "conversion-worker/x"}) {
    EXPECT_THAT(Ask("service/gateway", {{kOnBehalfOfKey, principal}}),
                StatusIs(absl::StatusCode::kPermissionDenied, "users only"))
        << principal;
  }
  const Metadata user = {{kOnBehalfOfKey, "user/viewer/v"}};
  const std::vector<Metadata> bad = {
      {{kOnBehalfOfKey, "user/root/x"}},
      {{kOnBehalfOfKey, "user/admin/" + std::string(300, 'a')}},
      {{kOnBehalfOfKey, "user/viewer/a"}, {kOnBehalfOfKey, "user/admin/b"}},
      {{kClientAddressKey, "203.0.113.5"}},  // whose?
      {user[0], {kClientAddressKey, "203.0.113.5 \"x\""}},
      {user[0], {kClientAddressKey, std::string(101, '1')}},
      {user[0], {kLifecycleProfileKey, "generous"}},
      {user[0], {kRequestIdKey, "1; drop"}},
      {user[0], {kRequestIdKey, std::string(5000, 'a')}},
      {user[0], {kRequestIdKey, kId}, {kRequestIdKey, kId}},
  };
  for (const Metadata& metadata : bad) {
    EXPECT_THAT(Ask("service/gateway", metadata),
                StatusIs(absl::StatusCode::kInvalidArgument, "x-godwit-"))
        << metadata.back().first << " " << metadata.back().second;
  }
  EXPECT_THAT(Ask("user/viewer/v", {{kRequestIdKey, "x"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, kRequestIdKey));
}

TEST_F(CallerTest, OneRequestIdGoesThroughAllServices) {
  ASSERT_OK_AND_ASSIGN(const pb::Job made, Ask("user/viewer/v", {}));
  EXPECT_OK(CheckUuid("request id", made.initiated_by()));
  EXPECT_EQ(service_.thread_request_id, made.initiated_by());
  ASSERT_OK_AND_ASSIGN(const pb::Job given, Ask("user/viewer/v", {{kRequestIdKey, kId}}));
  EXPECT_EQ(given.initiated_by(), kId);

  Witness second;
  const auto server =
      *Server::Start({.listen = "127.0.0.1:0", .tls = pki_.Issue("service/jobs")}, {&second});
  service_.next =
      Dial(absl::StrCat("127.0.0.1:", server->port()), jobs_, pki_.Issue("service/registry"));
  ASSERT_OK_AND_ASSIGN(const pb::Job through, Ask("user/viewer/v", {}));
  EXPECT_EQ(second.last_request_id, through.initiated_by());
  EXPECT_NE(through.initiated_by(), made.initiated_by());
  // In the log line of a call that failed, too.
  ::testing::internal::CaptureStderr();
  second.next = service_.next;
  server->Stop();
  EXPECT_FALSE(Ask("user/viewer/v", {{kRequestIdKey, kId}}).ok());
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::HasSubstr(absl::StrCat("\"request_id\":\"", kId, "\"")));
  EXPECT_EQ(CurrentRequestId(), "");
}

}  // namespace
}  // namespace godwit::rpc
