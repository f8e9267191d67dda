// Quotas as boto3 meets them: the errors that operations declare, with all their members.
#include "absl/strings/match.h"
#include "godwit/common/v1/quota_service.grpc.pb.h"
#include "tests/rpc/services/gateway/gateway_fixture.h"

namespace godwit::gateway {
namespace {

class QuotasTest : public GatewayTest {
 protected:
  static absl::StatusOr<std::int64_t> ActiveServers() {
    ASSIGN_OR_RETURN(
        const auto list,
        Ask(common::v1::QuotaService::NewStub(i_->cluster->Channel("registry")),
            &common::v1::QuotaService::Stub::ListQuotas, common::v1::ListQuotasRequest()));
    for (const auto& quota : list.quotas()) {
      if (quota.quota_code() == "ACTIVE_SOURCE_SERVERS") return quota.used_count();
    }
    return absl::NotFoundError("no such quota");
  }
  static absl::Status Stop(const std::string& server) {
    registry::v1::ServerVerbRequest request;
    request.set_name("sourceServers/" + server);
    request.set_request_id(NewUuid());
    return Ask(registry::v1::SourceServerService::NewStub(i_->cluster->Channel("registry")),
               &registry::v1::SourceServerService::Stub::StopReplication, request)
        .status();
  }
  // Jobs with launches under way.
  static absl::StatusOr<std::int64_t> JobsAtOnce() {
    ASSIGN_OR_RETURN(
        const auto list,
        Ask(common::v1::QuotaService::NewStub(i_->cluster->Channel("jobs")),
            &common::v1::QuotaService::Stub::ListQuotas, common::v1::ListQuotasRequest()));
    for (const auto& quota : list.quotas()) {
      if (quota.quota_code() == "CONCURRENT_JOBS") return quota.used_count();
    }
    return absl::NotFoundError("no such quota");
  }
};

TEST_F(QuotasTest, ThroughBoto3) {
  std::vector<std::string> servers;
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const std::string id, ReadyServer());
    servers.push_back(id);
  }
  ASSERT_OK(Stop(servers[2]));
  ASSERT_OK_AND_ASSIGN(const std::int64_t active, ActiveServers());
  ASSERT_OK_AND_ASSIGN(const std::int64_t jobs, JobsAtOnce());
  ASSERT_OK(i_->cluster->RestartWith("registry",
                                     {absl::StrCat("--quota-active-source-servers=", active)}));
  ASSERT_OK(i_->cluster->RestartWith("jobs", {absl::StrCat("--quota-concurrent-jobs=", jobs + 1)}));
  const auto log = Script("quotas.py", {absl::StrCat(active), absl::StrCat(jobs + 1), servers[0],
                                        servers[1], servers[2]});
  EXPECT_OK(i_->cluster->RestartWith("registry", {}));
  EXPECT_OK(i_->cluster->RestartWith("jobs", {}));
  ASSERT_OK(log);
  EXPECT_TRUE(absl::StrContains(*log, "done")) << *log;
}

}  // namespace
}  // namespace godwit::gateway
