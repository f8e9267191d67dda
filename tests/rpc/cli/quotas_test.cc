// godwit quotas, godwit jobs retry, and what a refusal by a quota looks like.
#include "services/common/rpc/quotas.h"
#include "tests/rpc/cli/fake_installation.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/cli/run.h"

namespace godwit::cli {
namespace {

using ::testing::HasSubstr;

constexpr char kJob[] = "jobs/job-00000000000000001";

class Jobs final : public jobs::v1::JobService::Service {
 public:
  jobs::v1::Job job;
  grpc::Status GetJob(grpc::ServerContext*, const jobs::v1::GetJobRequest*,
                      jobs::v1::Job* response) override {
    *response = job;
    return grpc::Status::OK;
  }
};

class Registry final : public registry::v1::SourceServerService::Service {
 public:
  registry::v1::StartLaunchRequest asked;
  absl::Status refusal;
  int calls = 0;
  grpc::Status StartCutover(grpc::ServerContext*, const registry::v1::StartLaunchRequest* request,
                            jobs::v1::Job* response) override {
    ++calls;
    asked = *request;
    response->set_name("jobs/job-00000000000000002");
    response->set_type(jobs::v1::Job::CUTOVER_LAUNCH);
    response->set_state(jobs::v1::Job::PENDING);
    return rpc::ToGrpc(refusal);
  }
};

class QuotasTest : public ::testing::Test {
 protected:
  QuotasTest()
      : servers_(rpc::MakeQuotaHandler([] {
          return std::vector<Quota>{{.code = "SERVERS",
                                     .title = "servers that replicate",
                                     .limit = 150,
                                     .used = 149,
                                     .option = "quota-servers"}};
        })),
        jobs_quotas_(rpc::MakeQuotaHandler([] {
          return std::vector<Quota>{
              {.code = "JOBS_OF_ONE_SERVER", .title = "jobs of one server", .limit = 1}};
        })),
        registry_server_(Start("service/registry", {&registry_, servers_.get()})),
        jobs_server_(Start("service/jobs", {&jobs_, jobs_quotas_.get()})) {}

  std::unique_ptr<rpc::Server> Start(const std::string& principal,
                                     std::vector<grpc::Service*> services) {
    auto server = rpc::Server::Start({.listen = "127.0.0.1:0", .tls = fake_.pki().Issue(principal)},
                                     std::move(services));
    GODWIT_CHECK(server.ok());
    return *std::move(server);
  }
  Ran Do(std::vector<std::string> arguments) const {
    arguments.insert(
        arguments.begin(),
        {"--tls-dir", fake_.dir(), absl::StrCat("--registry=127.0.0.1:", registry_server_->port()),
         absl::StrCat("--jobs=127.0.0.1:", jobs_server_->port())});
    return Godwit(arguments);
  }

  const testing::FakeInstallation fake_;
  Registry registry_;
  Jobs jobs_;
  const std::unique_ptr<grpc::Service> servers_, jobs_quotas_;
  const std::unique_ptr<rpc::Server> registry_server_, jobs_server_;
};

TEST_F(QuotasTest, ShowsThoseOfAllServices) {
  const Ran table = Do({"quotas"});
  EXPECT_EQ(table.exit_code, kDone) << table.err;
  EXPECT_THAT(table.out, HasSubstr("servers that replicate"));
  EXPECT_THAT(table.out, HasSubstr("--quota-servers"));
  EXPECT_THAT(table.out, HasSubstr("149"));
  EXPECT_THAT(table.out, HasSubstr("JOBS_OF_ONE_SERVER"));
  const Ran json = Do({"quotas", "--output", "json"});
  EXPECT_EQ(json.exit_code, kDone) << json.err;
  EXPECT_THAT(json.out, HasSubstr("\"usedCount\": \"149\""));
  EXPECT_THAT(json.out, HasSubstr("JOBS_OF_ONE_SERVER"));
}

TEST_F(QuotasTest, RetriesWhatFailedByTheCallOfTheJobsKind) {
  jobs_.job.set_name(kJob);
  jobs_.job.set_type(jobs::v1::Job::CUTOVER_LAUNCH);
  const Ran started = Do({"jobs", "retry", "job-00000000000000001"});
  EXPECT_EQ(started.exit_code, kDone) << started.err;
  EXPECT_THAT(started.out, HasSubstr("job-00000000000000002"));
  EXPECT_EQ(registry_.asked.failed_of(), kJob);
  EXPECT_EQ(registry_.asked.names_size(), 0);
  jobs_.job.set_type(jobs::v1::Job::PREFLIGHT);
  EXPECT_EQ(Do({"jobs", "retry", "job-00000000000000001"}).exit_code, kUsage);
}

TEST_F(QuotasTest, ARefusalByAQuotaIsToldOnceAndAtOnce) {
  jobs_.job.set_name(kJob);
  jobs_.job.set_type(jobs::v1::Job::CUTOVER_LAUNCH);
  registry_.refusal = rpc::ExplainQuota(CheckQuota({.code = "CONCURRENT_JOBS",
                                                    .title = "jobs at once",
                                                    .limit = 20,
                                                    .used = 20,
                                                    .option = "quota-concurrent-jobs",
                                                    .advice = "wait"},
                                                   1),
                                        "jobs");
  const Ran refused = Do({"jobs", "retry", "job-00000000000000001"});
  EXPECT_EQ(refused.exit_code, kRefused);
  EXPECT_THAT(refused.err, HasSubstr("at most 20 jobs at once"));
  EXPECT_THAT(refused.err, HasSubstr("--quota-concurrent-jobs"));
  EXPECT_EQ(registry_.calls, 1) << "a quota makes no room while one waits";
}

}  // namespace
}  // namespace godwit::cli
