// The registry at its quotas, launches that the job service refuses, and launches for those servers
// of a job that failed.
#include <algorithm>
#include <atomic>
#include <thread>

#include "godwit/common/v1/quota_service.grpc.pb.h"
#include "services/common/base/quota.h"
#include "services/common/rpc/quotas.h"
#include "tests/rpc/services/registry/registry_fixture.h"

namespace godwit::registry {
namespace {

using ::godwit::testing::StatusIs;
using ::testing::ElementsAre;
using Stub = pb::SourceServerService::Stub;

std::string Fact(const absl::Status& status, const std::string& key) {
  for (const auto& [name, value] : rpc::GetInfo(status).metadata) {
    if (name == key) return value;
  }
  return "";
}

class QuotasTest : public RegistryTest {
 protected:
  void SetUp() override {
    installation_->jobs.Refuse(absl::OkStatus());
    ASSERT_OK(WithQuotas(Quotas()));
  }
  // Starts the registry anew, on another port.
  absl::Status WithQuotas(const Quotas& quotas) {
    operator_.reset();
    installation_->config.quotas = quotas;
    const absl::Status started = StartRegistry();
    if (started.ok()) {
      operator_ = pb::SourceServerService::NewStub(ChannelAs("user/operator/carol"));
    }
    return started;
  }
  static std::map<std::string, common::v1::Quota> Listed() {
    const auto stub = common::v1::QuotaService::NewStub(ChannelAs("user/viewer/bob"));
    const auto list =
        Call(*stub, &common::v1::QuotaService::Stub::ListQuotas, common::v1::ListQuotasRequest());
    EXPECT_OK(list);
    std::map<std::string, common::v1::Quota> out;
    if (!list.ok()) return out;
    for (const auto& quota : list->quotas()) out[quota.quota_code()] = quota;
    return out;
  }
  static std::int64_t Used(const std::string& code) { return Listed()[code].used_count(); }
  absl::StatusOr<pb::SourceServer> Verb(const std::string& name,
                                        grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                     const pb::ServerVerbRequest&,
                                                                     pb::SourceServer*)) {
    pb::ServerVerbRequest request;
    request.set_name(name);
    request.set_request_id(NewUuid());
    return Call(*operator_, method, request);
  }
  absl::Status Disconnect(const std::string& name) {
    pb::FinalizeRequest request;
    request.set_name(name);
    request.set_request_id(NewUuid());
    return Call(*operator_, &Stub::DisconnectFromService, request).status();
  }
  static std::string ReadyServer() {
    const std::string name = EnrolledServer();
    const auto events = pb::RegistryEventService::NewStub(ChannelAs("service/replication"));
    pb::ReportInitialSyncDoneRequest request;
    request.set_source_server(name);
    request.set_point(name + "/points/" + NewId("p-"));
    request.set_request_id(NewUuid());
    EXPECT_OK(Call(*events, &pb::RegistryEventService::Stub::ReportInitialSyncDone, request));
    return name;
  }
  static pb::StartLaunchRequest LaunchOf(const std::vector<std::string>& names) {
    pb::StartLaunchRequest request;
    for (const std::string& name : names) request.add_names(name);
    request.set_request_id(NewUuid());
    return request;
  }
  // Codes of the audit entries with this request id, oldest first.
  static std::vector<int> AuditedCodes(const std::string& request_id) {
    const auto stub = pb::FleetService::NewStub(ChannelAs("user/admin/alice"));
    pb::ListAuditEntriesRequest request;
    request.set_page_size(200);
    const auto list = Call(*stub, &pb::FleetService::Stub::ListAuditEntries, request);
    EXPECT_OK(list);
    std::vector<int> codes;
    if (!list.ok()) return codes;
    for (const auto& entry : list->entries()) {
      if (entry.request_id() == request_id) codes.insert(codes.begin(), entry.code());
    }
    return codes;
  }

  std::unique_ptr<Stub> operator_;
};

TEST_F(QuotasTest, DefaultsAreThePublishedOnes) {
  const auto listed = Listed();
  ASSERT_EQ(listed.count("ACTIVE_SOURCE_SERVERS"), 1u);
  EXPECT_EQ(listed.at("ACTIVE_SOURCE_SERVERS").quota_value(), 150);
  EXPECT_EQ(listed.at("ACTIVE_SOURCE_SERVERS").option(), "--quota-active-source-servers");
  EXPECT_EQ(listed.at("UNARCHIVED_SOURCE_SERVERS").quota_value(), 4000);
  EXPECT_EQ(listed.at("SOURCE_SERVERS").quota_value(), 50000);
}

TEST_F(QuotasTest, OfEnrolmentsAtTheLimitOneGetsTheLastPlace) {
  const std::int64_t active = Used("ACTIVE_SOURCE_SERVERS");
  ASSERT_OK(WithQuotas({.active_source_servers = active + 1}));
  std::vector<pb::EnrollRequest> requests;  // a token each, so that they meet at the quota alone
  for (int i = 0; i < 6; ++i) {
    requests.push_back(EnrollRequestFor(NewToken().secret(), *rpc::MakeKeyAndCsr("agent")));
  }
  std::vector<absl::Status> answers(requests.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    threads.emplace_back([&, i] { answers[i] = Enroll(requests[i]).status(); });
  }
  for (std::thread& thread : threads) thread.join();
  int enrolled = 0;
  std::size_t winner = 0, loser = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].ok()) {
      ++enrolled;
      winner = i;
      continue;
    }
    loser = i;
    EXPECT_THAT(answers[i], StatusIs(absl::StatusCode::kResourceExhausted, "replicate"));
    EXPECT_EQ(rpc::GetInfo(answers[i]).reason, rpc::kQuotaExceeded);
    EXPECT_EQ(Fact(answers[i], "quota_code"), "ACTIVE_SOURCE_SERVERS");
    EXPECT_EQ(Fact(answers[i], "quota_value"), absl::StrCat(active + 1));
    EXPECT_EQ(Fact(answers[i], "quota_used"), absl::StrCat(active + 1));
    EXPECT_EQ(Fact(answers[i], "option"), "--quota-active-source-servers");
  }
  EXPECT_EQ(enrolled, 1);
  EXPECT_EQ(Used("ACTIVE_SOURCE_SERVERS"), active + 1);
  // The one that has its place enrols again; who was refused used up nothing of the token, and
  // enrols when there is room, or without replication.
  ASSERT_OK_AND_ASSIGN(const auto again, Enroll(requests[winner]));
  requests[loser].set_no_replication(true);
  ASSERT_OK_AND_ASSIGN(const auto idle, Enroll(requests[loser]));
  const auto refused = Verb(idle.source_server(), &Stub::StartReplication);
  EXPECT_EQ(Fact(refused.status(), "quota_code"), "ACTIVE_SOURCE_SERVERS") << refused.status();
  EXPECT_EQ(Fact(refused.status(), "server"), idle.source_server());
  EXPECT_EQ(Get(idle.source_server()).lifecycle_state(), pb::SourceServer::STOPPED);
  ASSERT_OK(Verb(again.source_server(), &Stub::StopReplication));
  EXPECT_OK(Verb(idle.source_server(), &Stub::StartReplication));
}

TEST_F(QuotasTest, ArchivedServersCountInAllAndComeBackOnlyIntoRoom) {
  const std::string name = EnrolledServer();
  ASSERT_OK(Disconnect(name));
  const std::int64_t before = Used("UNARCHIVED_SOURCE_SERVERS");
  const std::int64_t all = Used("SOURCE_SERVERS");
  ASSERT_OK(Verb(name, &Stub::Archive));
  EXPECT_EQ(Used("UNARCHIVED_SOURCE_SERVERS"), before - 1);
  EXPECT_EQ(Used("SOURCE_SERVERS"), all);
  ASSERT_OK(WithQuotas({.unarchived_source_servers = before - 1, .source_servers = all + 1}));
  const auto back = Verb(name, &Stub::Unarchive);
  EXPECT_EQ(Fact(back.status(), "quota_code"), "UNARCHIVED_SOURCE_SERVERS") << back.status();
  pb::CreateSourceServerRequest create;
  create.set_user_provided_id(NewUuid());
  create.set_request_id(NewUuid());
  const auto one = Call(*operator_, &Stub::CreateSourceServer, create);
  EXPECT_EQ(Fact(one.status(), "quota_code"), "UNARCHIVED_SOURCE_SERVERS") << one.status();
  ASSERT_OK(WithQuotas({.source_servers = all}));
  const auto two = Call(*operator_, &Stub::CreateSourceServer, create);
  EXPECT_EQ(Fact(two.status(), "quota_code"), "SOURCE_SERVERS") << two.status();
  EXPECT_OK(Verb(name, &Stub::Unarchive));
  ASSERT_OK(WithQuotas({.source_servers = all + 1}));
  EXPECT_OK(Call(*operator_, &Stub::CreateSourceServer, create));  // the same request, with room
}

TEST_F(QuotasTest, ARefusedLaunchIsAuditedWithItsCode) {
  const std::string name = ReadyServer();
  const absl::Status full = rpc::ExplainQuota(
      CheckQuota({.code = "CONCURRENT_JOBS", .title = "jobs at once", .limit = 20, .used = 20}, 1),
      "jobs");
  installation_->jobs.Refuse(full);
  const pb::StartLaunchRequest request = LaunchOf({name});
  const auto refused = Call(*operator_, &Stub::StartTest, request);
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted, "at most 20 jobs"));
  EXPECT_EQ(Fact(refused.status(), "quota_code"), "CONCURRENT_JOBS");
  EXPECT_EQ(Get(name).lifecycle_state(), pb::SourceServer::READY_FOR_TEST);
  // It was accepted, and then refused.
  EXPECT_THAT(AuditedCodes(request.request_id()),
              ElementsAre(0, static_cast<int>(absl::StatusCode::kResourceExhausted)));
  installation_->jobs.Refuse(absl::OkStatus());
  EXPECT_OK(Call(*operator_, &Stub::StartTest, request));
  EXPECT_THAT(AuditedCodes(request.request_id()),
              ElementsAre(0, static_cast<int>(absl::StatusCode::kResourceExhausted), 0));
}

TEST_F(QuotasTest, ARefusalNamesEachServerThatStandsInTheWay) {
  std::vector<std::string> names = {ReadyServer()};
  for (int i = 0; i < 20; ++i) names.push_back(EnrolledServer());
  const auto refused = Call(*operator_, &Stub::StartTest, LaunchOf(names));
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kFailedPrecondition, "(and 19 more servers)"));
  const rpc::ErrorInfo info = rpc::GetInfo(refused.status());
  EXPECT_EQ(info.reason, "WRONG_LIFECYCLE_STATE");
  ASSERT_EQ(info.field_violations.size(), 16u);
  for (const auto& [name, text] : info.field_violations) {
    EXPECT_NE(name, names[0]);
    EXPECT_NE(text.find("NOT_READY"), std::string::npos) << text;
  }
  EXPECT_EQ(Get(names[0]).lifecycle_state(), pb::SourceServer::READY_FOR_TEST);
}

TEST_F(QuotasTest, OnlyTheFailedServersOfAJobAreLaunchedAgain) {
  std::vector<std::string> names;
  for (int i = 0; i < 3; ++i) names.push_back(ReadyServer());
  ASSERT_OK_AND_ASSIGN(jobs_pb::Job job, Call(*operator_, &Stub::StartTest, LaunchOf(names)));
  job.set_type(jobs_pb::Job::TEST_LAUNCH);
  pb::StartLaunchRequest retry;
  retry.set_failed_of(job.name());
  retry.set_request_id(NewUuid());
  for (const std::string& name : names) job.add_servers()->set_source_server(name);
  installation_->jobs.Put(job);
  EXPECT_EQ(rpc::GetInfo(Call(*operator_, &Stub::StartTest, retry).status()).reason,
            "NOTHING_FAILED");
  job.mutable_servers(0)->mutable_error()->set_code(9);
  job.mutable_servers(2)->mutable_error()->set_code(1);
  installation_->jobs.Put(job);
  EXPECT_THAT(Call(*operator_, &Stub::StartCutover, retry),
              StatusIs(absl::StatusCode::kInvalidArgument, "TEST_LAUNCH"));
  ASSERT_OK_AND_ASSIGN(const auto again, Call(*operator_, &Stub::StartTest, retry));
  EXPECT_NE(again.name(), job.name());
  std::vector<std::string> launched, wanted = {names[0], names[2]};
  const jobs_pb::CreateJobRequest asked = installation_->jobs.requests().back();
  for (const auto& server : asked.servers()) {
    launched.push_back(server.source_server());
  }
  std::sort(wanted.begin(), wanted.end());
  EXPECT_EQ(launched, wanted);
  retry.add_names(names[1]);
  retry.set_request_id(NewUuid());
  EXPECT_THAT(Call(*operator_, &Stub::StartTest, retry),
              StatusIs(absl::StatusCode::kInvalidArgument, "failed_of"));
  retry.clear_names();
  retry.set_failed_of("jobs/other");
  EXPECT_THAT(Call(*operator_, &Stub::StartTest, retry),
              StatusIs(absl::StatusCode::kInvalidArgument, "failed_of"));
}

}  // namespace
}  // namespace godwit::registry
