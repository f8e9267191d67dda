// The gateway with the clients that people use: boto3 and the aws command line.
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <sys/wait.h>

#include <cstdio>
#include <set>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "godwit/registry/v1/enrollment_service.grpc.pb.h"

#include "nlohmann/json.hpp"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/ca.h"
#include "services/common/rpc/serve.h"
#include "tests/rpc/services/gateway/gateway_fixture.h"
#include "tests/support/mini_cluster.h"

namespace godwit::gateway {
namespace {

namespace pb = ::godwit::registry::v1;
using ::godwit::testing::MiniCluster;
using ::godwit::testing::Process;
using ::godwit::testing::Program;
using ::godwit::testing::TempDir;
using nlohmann::json;

class GatewayTest : public ::testing::Test {
 protected:
  struct Installation {
    TempDir dir;
    std::unique_ptr<MiniCluster> cluster;
    KnownKeys keys;
    std::unique_ptr<rpc::Server> keys_server;
    Process gateway;
    int port = 0, metrics_port = 0;
  };

  static void SetUpTestSuite() {
    i_ = new Installation;
    ASSERT_OK_AND_ASSIGN(i_->cluster, MiniCluster::Start({.jobs = true}));
    const auto& pki = i_->cluster->pki();
    ASSERT_OK_AND_ASSIGN(i_->keys_server, rpc::Server::Start({.listen = "127.0.0.1:0",
                                                              .tls = pki.Issue("service/registry")},
                                                             {&i_->keys}));
    i_->keys_server->SetServing(true);
    pki.Write("service/gateway", i_->dir / "tls");
    ASSERT_OK(MakeServerCertificate(i_->dir.path()));
    ASSERT_OK(WriteAids());
    ASSERT_OK_AND_ASSIGN(
        i_->gateway,
        Process::Start({.command = {Program("godwit-gateway"),
                                    "--listen=127.0.0.1:0",
                                    "--metrics-listen=127.0.0.1:0",
                                    "--tls-dir",
                                    i_->dir / "tls",
                                    "--tls-cert",
                                    i_->dir / "server.crt",
                                    "--tls-key",
                                    i_->dir / "server.key",
                                    "--registry",
                                    i_->cluster->Endpoint("registry"),
                                    "--replication",
                                    i_->cluster->Endpoint("replication"),
                                    "--jobs",
                                    i_->cluster->Endpoint("jobs"),
                                    "--access-keys",
                                    absl::StrCat("127.0.0.1:", i_->keys_server->port()),
                                    "--region=us-east-1",
                                    "--region=eu-central-1",
                                    "--documents",
                                    i_->dir / "documents",
                                    "--account=123456789012"},
                        .log = i_->dir / "gateway.log"}));
    ASSERT_OK_AND_ASSIGN(i_->port, i_->gateway.WaitForPort());
    ASSERT_OK_AND_ASSIGN(const std::string metrics,
                         i_->gateway.WaitForLog("serving", "metrics_port"));
    i_->metrics_port = std::stoi(metrics);
  }
  static void TearDownTestSuite() {
    delete i_;
    i_ = nullptr;
  }

  // Documents for actions, and the command line of an admin.
  static absl::Status WriteAids() {
    RETURN_IF_ERROR(MakeDirs(i_->dir / "documents/report"));
    for (const auto& [name, text] : std::map<std::string, std::string>{
             {"documents/report/1", "echo one\n"},
             {"documents/report/2", "echo two\n"},
             {"documents/check-web", "curl -fs http://127.0.0.1/\n"},
             {"godwit.conf", absl::StrCat("registry = ", i_->cluster->Endpoint("registry"),
                                          "\ntls-dir = ", i_->dir / "admin", "\n")}}) {
      RETURN_IF_ERROR(WriteFileAtomically(i_->dir / name, text));
    }
    i_->cluster->pki().Write("user/admin/alice", i_->dir / "admin");
    return absl::OkStatus();
  }

  static std::map<std::string, std::string> Environment() {
    return {{"GATEWAY_URL", absl::StrCat("https://127.0.0.1:", i_->port)},
            {"GATEWAY_CA", i_->dir / "server.crt"},
            {"AWS_ACCESS_KEY_ID", kOperatorKey},
            {"AWS_SECRET_ACCESS_KEY", kSecret},
            {"AWS_EC2_METADATA_DISABLED", "true"},
            {"AWS_CA_BUNDLE", i_->dir / "server.crt"},
            {"AWS_CONFIG_FILE", i_->dir / "none"},
            {"GODWIT", Program("godwit")},
            {"GODWIT_CONFIG", i_->dir / "godwit.conf"},
            {"GODWIT_ADMIN_KEY", "GWAKLENIENTLENIENTLE"},
            {"AWS_SHARED_CREDENTIALS_FILE", i_->dir / "none"},
            {"PYTHONDONTWRITEBYTECODE", "1"}};
  }
  static absl::StatusOr<std::string> Script(const std::string& name,
                                            std::vector<std::string> arguments = {}) {
    std::vector<std::string> command = {
        "/usr/bin/python3", absl::StrCat(GODWIT_SOURCE_DIR "/tests/rpc/services/gateway/", name)};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return RunToEnd(command, i_->dir / (name + ".log"), Environment());
  }
  static absl::StatusOr<std::string> Curl(const std::string& path) {
    return RunToEnd({"/usr/bin/curl", "-sS", "-w", " %{http_code}",
                     absl::StrCat("http://127.0.0.1:", i_->metrics_port, path)},
                    i_->dir / "curl.log");
  }

  template <typename Stub, typename Request, typename Response>
  static absl::StatusOr<Response> Ask(const std::unique_ptr<Stub>& stub,
                                      grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                   const Request&, Response*),
                                      const Request& request) {
    grpc::ClientContext context;
    rpc::SetTimeout(context, absl::Seconds(20));
    Response response;
    RETURN_IF_ERROR(rpc::FromGrpc(((*stub).*method)(&context, request, &response)));
    return response;
  }

  // A server that an agent enrolled and whose initial sync the coordinator reports: its id.
  static absl::StatusOr<std::string> ReadyServer() {
    pb::CreateTokenRequest create;
    create.set_request_id(NewUuid());
    ASSIGN_OR_RETURN(const pb::Token token,
                     Ask(pb::TokenService::NewStub(i_->cluster->Channel("registry")),
                         &pb::TokenService::Stub::CreateToken, create));
    pb::EnrollRequest enroll;
    enroll.set_token(token.secret());
    enroll.set_csr_pem(rpc::MakeKeyAndCsr("agent")->csr_pem);
    enroll.set_request_id(NewUuid());
    enroll.mutable_properties()->set_hostname("source.example");
    enroll.mutable_properties()->set_boot_mode("BIOS");
    pb::Disk* disk = enroll.mutable_properties()->add_disks();
    disk->set_device_name("/dev/sda");
    disk->set_size_bytes(1 << 30);
    disk->set_is_boot_disk(true);
    disk->set_replicated(true);
    const auto channel = rpc::DialWithoutCertificate(
        i_->cluster->EnrollEndpoint(), {.kind = rpc::PeerKind::kService, .id = "registry"},
        i_->cluster->pki().ca().certificate_pem);
    ASSIGN_OR_RETURN(
        const pb::EnrollResponse enrolled,
        Ask(pb::EnrollmentService::NewStub(channel), &pb::EnrollmentService::Stub::Enroll, enroll));
    pb::ReportInitialSyncDoneRequest done;
    done.set_source_server(enrolled.source_server());
    done.set_point(absl::StrCat(enrolled.source_server(), "/points/", NewId("p-")));
    done.set_request_id(NewUuid());
    RETURN_IF_ERROR(Ask(pb::RegistryEventService::NewStub(
                            i_->cluster->Channel("registry", "service/replication")),
                        &pb::RegistryEventService::Stub::ReportInitialSyncDone, done)
                        .status());
    return enrolled.source_server().substr(sizeof "sourceServers/" - 1);
  }

  // Cancels the job and waits for its end.
  static absl::Status Cancel(const std::string& job) {
    const auto stub = jobs::v1::JobService::NewStub(i_->cluster->Channel("jobs"));
    jobs::v1::CancelJobRequest cancel;
    cancel.set_name(job);
    cancel.set_request_id(NewUuid());
    RETURN_IF_ERROR(Ask(stub, &jobs::v1::JobService::Stub::CancelJob, cancel).status());
    jobs::v1::GetJobRequest get;
    get.set_name(job);
    for (const absl::Time give_up = absl::Now() + absl::Seconds(60); absl::Now() < give_up;) {
      ASSIGN_OR_RETURN(const jobs::v1::Job now,
                       Ask(stub, &jobs::v1::JobService::Stub::GetJob, get));
      if (now.state() == jobs::v1::Job::CANCELLED) return absl::OkStatus();
      absl::SleepFor(absl::Milliseconds(100));
    }
    return absl::DeadlineExceededError(job);
  }

  inline static Installation* i_ = nullptr;
};

TEST_F(GatewayTest, LifeThroughBoto3) {
  std::vector<std::string> servers;
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const std::string id, ReadyServer());
    servers.push_back(id);
  }
  ASSERT_OK_AND_ASSIGN(const std::string log, Script("life.py", servers));
  EXPECT_TRUE(absl::StrContains(log, "done")) << log;
  // Seen from the other side.
  pb::GetSourceServerRequest request;
  request.set_name("sourceServers/" + servers[0]);
  ASSERT_OK_AND_ASSIGN(const pb::SourceServer server,
                       Ask(pb::SourceServerService::NewStub(i_->cluster->Channel("registry")),
                           &pb::SourceServerService::Stub::GetSourceServer, request));
  EXPECT_EQ(server.lifecycle_state(), pb::SourceServer::TESTING);
  EXPECT_EQ(server.tags().at("a b"), "é/+");
  // The operator ends the test by other means than MGN has.
  ASSERT_OK(Cancel(server.last_test().job()));
  ASSERT_OK_AND_ASSIGN(
      const std::string ended,
      Script(
          "ended_job.py",
          {absl::StrCat("mgn", server.last_test().job().substr(sizeof "jobs/" - 1)), servers[0]}));
  EXPECT_TRUE(absl::StrContains(ended, "done")) << ended;
}

// New servers start with what the API made of the default templates.
TEST_F(GatewayTest, SettingsThroughBoto3) {
  ASSERT_OK_AND_ASSIGN(const std::string before, ReadyServer());
  ASSERT_OK_AND_ASSIGN(const std::string log, Script("settings_calls.py", {before}));
  EXPECT_TRUE(absl::StrContains(log, "done")) << log;
  ASSERT_OK_AND_ASSIGN(const std::string after, ReadyServer());
  const auto stub = pb::SourceServerService::NewStub(i_->cluster->Channel("registry"));
  pb::GetSettingsRequest request;
  request.set_name("sourceServers/" + after);
  ASSERT_OK_AND_ASSIGN(const auto replication,
                       Ask(stub, &pb::SourceServerService::Stub::GetReplicationSettings, request));
  EXPECT_EQ(replication.bandwidth_limit_bytes_per_second(), 2'000'000);
  ASSERT_OK_AND_ASSIGN(const auto launch,
                       Ask(stub, &pb::SourceServerService::Stub::GetLaunchSettings, request));
  EXPECT_TRUE(launch.copy_tags());
  EXPECT_EQ(launch.disposition(), jobs::v1::LaunchSettings::STOPPED);
  EXPECT_EQ(launch.post_launch_actions_size(), 0);
}

TEST_F(GatewayTest, ListsLongerThanAPage) {
  constexpr int kCount = 60;
  const auto stub = pb::SourceServerService::NewStub(i_->cluster->Channel("registry"));
  for (int i = 0; i < kCount; ++i) {
    pb::CreateSourceServerRequest create;
    create.set_request_id(NewUuid());
    create.set_user_provided_id(absl::StrCat("machine ", i));
    ASSERT_OK(Ask(stub, &pb::SourceServerService::Stub::CreateSourceServer, create).status());
  }
  ASSERT_OK_AND_ASSIGN(const std::string log, Script("many.py", {absl::StrCat(kCount)}));
  EXPECT_TRUE(absl::StrContains(log, "done")) << log;
  std::printf("%s", log.c_str());
}

TEST_F(GatewayTest, HostileRequests) {
  ASSERT_OK(ReadyServer().status());
  ASSERT_OK_AND_ASSIGN(const std::string log, Script("abuse.py"));
  EXPECT_TRUE(absl::StrContains(log, "done")) << log;
  std::printf("%s", log.c_str());
  EXPECT_TRUE(i_->gateway.Running());
}

TEST_F(GatewayTest, AwsCommandLine) {
  ASSERT_OK_AND_ASSIGN(const std::string id, ReadyServer());
  ASSERT_OK_AND_ASSIGN(
      const std::string text,
      RunToEnd({"/usr/bin/aws", "mgn", "describe-source-servers", "--region", "us-east-1",
                "--endpoint-url", absl::StrCat("https://127.0.0.1:", i_->port), "--output", "json",
                "--filters", absl::StrCat("sourceServerIDs=", id)},
               i_->dir / "aws.log", Environment()));
  const json answer = json::parse(text, nullptr, false);
  ASSERT_TRUE(answer.is_object()) << text;
  ASSERT_EQ(answer["items"].size(), 1u) << text;
  EXPECT_EQ(answer["items"][0]["sourceServerID"], id);
}

TEST_F(GatewayTest, HealthAndMetrics) {
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  std::string ready;
  do {
    ASSERT_OK_AND_ASSIGN(ready, Curl("/readyz"));
  } while (ready != "ready\n 200" && absl::Now() < give_up);
  EXPECT_EQ(ready, "ready\n 200");
  EXPECT_EQ(Curl("/healthz").value_or(""), "ok\n 200");
  EXPECT_TRUE(absl::EndsWith(Curl("/other").value_or(""), " 404"));
  ASSERT_OK_AND_ASSIGN(const std::string figures, Curl("/metrics"));
  // Nothing is served that docs/metrics.md does not tell of.
  ASSERT_OK_AND_ASSIGN(const std::string docs, ReadFile(GODWIT_SOURCE_DIR "/docs/metrics.md"));
  std::set<std::string> names;
  for (const absl::string_view line : absl::StrSplit(figures, '\n')) {
    if (absl::StartsWith(line, "# HELP ")) {
      names.insert(std::vector<std::string>(absl::StrSplit(line, ' ')).at(2));
    }
  }
  EXPECT_GE(names.size(), 8u) << figures;
  for (const std::string& name : names) {
    EXPECT_TRUE(absl::StrContains(docs, absl::StrCat("`", name, "`"))) << name;
  }
}

// A new certificate is shown to new connections without a restart; a broken one is not.
TEST_F(GatewayTest, ReadsAChangedCertificateAndEndsCleanly) {
  ASSERT_OK(WriteFileAtomically(i_->dir / "server.key", "no key"));
  ASSERT_OK(i_->gateway.WaitForLog("the changed certificate is not used", "error").status());
  ASSERT_OK(MakeServerCertificate(i_->dir.path()));
  ASSERT_OK(i_->gateway.WaitForLog("new certificate", "msg").status());
  // The client trusts the new one alone.
  ASSERT_OK_AND_ASSIGN(
      const std::string code,
      RunToEnd({"/usr/bin/curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert",
                i_->dir / "server.crt", absl::StrCat("https://127.0.0.1:", i_->port, "/")},
               i_->dir / "curl2.log"));
  EXPECT_EQ(code, "403");
  ASSERT_OK_AND_ASSIGN(const int status, i_->gateway.Terminate());
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << i_->gateway.Log();
}

}  // namespace
}  // namespace godwit::gateway
