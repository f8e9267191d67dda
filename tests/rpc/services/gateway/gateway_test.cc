// The gateway with the clients that people use: boto3 and the aws command line.
#include <sys/wait.h>

#include <cstdio>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "services/common/base/file.h"
#include "tests/rpc/services/gateway/gateway_fixture.h"

namespace godwit::gateway {
namespace {

namespace pb = ::godwit::registry::v1;
using ::godwit::testing::Process;
using ::godwit::testing::Program;
using nlohmann::json;

// The job is cancelled, and has ended.
absl::Status Cancel(const std::shared_ptr<grpc::Channel>& channel, const std::string& job) {
  using Stub = jobs::v1::JobService::Stub;
  const auto stub = jobs::v1::JobService::NewStub(channel);
  jobs::v1::CancelJobRequest cancel;
  cancel.set_name(job);
  cancel.set_request_id(NewUuid());
  RETURN_IF_ERROR(::godwit::testing::Ask(stub, &Stub::CancelJob, cancel).status());
  jobs::v1::GetJobRequest get;
  get.set_name(job);
  for (const absl::Time give_up = absl::Now() + absl::Seconds(60); absl::Now() < give_up;) {
    ASSIGN_OR_RETURN(const jobs::v1::Job now, ::godwit::testing::Ask(stub, &Stub::GetJob, get));
    if (now.state() == jobs::v1::Job::CANCELLED) return absl::OkStatus();
    absl::SleepFor(absl::Milliseconds(100));
  }
  return absl::DeadlineExceededError(job);
}

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
  ASSERT_OK(Cancel(i_->cluster->Channel("jobs"), server.last_test().job()));
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

// Through the API they are in the conformance test (transfers_calls.py); here by the command line.
TEST_F(GatewayTest, ImportsAndExports) {
  i_->cluster->pki().Write("user/operator/ci", i_->dir / "operator");
  const auto godwit = [](std::vector<std::string> command) {
    command.insert(command.begin(), ::godwit::testing::Program("godwit"));
    command.insert(command.end(), {"--tls-dir", i_->dir / "operator", "--registry",
                                   i_->cluster->Endpoint("registry")});
    return RunToEnd(command, i_->dir / "godwit.log", {{"HOME", "/nonexistent"}});
  };
  const std::string file = i_->dir / "inventory.csv";
  ASSERT_OK(WriteFileAtomically(
      file,
      "mgn:wave:name,mgn:wave:description,mgn:app:name,mgn:server:user-provided-id,"
      "mgn:server:tag:Role,mgn:launch:instance-type\r\n"
      "\"W, 1\",\"=x\"\"y\",App one,imported-1,\"web, \"\"front\"\"\",m5.large\r\n"));
  ASSERT_OK_AND_ASSIGN(const std::string made, godwit({"import", file}));
  EXPECT_TRUE(absl::StrContains(made, "1 new")) << made;
  // What it exports changes nothing.
  ASSERT_OK_AND_ASSIGN(const std::string exported, godwit({"export", file}));
  EXPECT_TRUE(absl::StrContains(exported, "servers")) << exported;
  ASSERT_OK_AND_ASSIGN(const std::string imported, godwit({"import", file}));
  EXPECT_TRUE(absl::StrContains(imported, "0 new, 0 changed")) << imported;
  EXPECT_FALSE(absl::StrContains(imported, "1 new")) << imported;
  EXPECT_TRUE(absl::StrContains(godwit({"imports", "list"}).value_or(""), "SUCCEEDED"));
  ASSERT_OK(WriteFileAtomically(file, "mgn:app:name,mgn:app:id\n,app-1\n"));
  const auto failed = godwit({"import", file});
  EXPECT_TRUE(absl::StrContains(failed.status().message(), "VALIDATION_ERROR")) << failed.status();
  EXPECT_TRUE(absl::StrContains(failed.status().message(), "mgn:app:id")) << failed.status();
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
  const auto Curl = [](const std::string& path) {
    return RunToEnd({"/usr/bin/curl", "-sS", "-w", " %{http_code}",
                     absl::StrCat("http://127.0.0.1:", i_->metrics_port, path)},
                    i_->dir / "curl.log");
  };
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
  ASSERT_OK(MakeDirs(i_->dir / "own"));
  ASSERT_OK(MakeServerCertificate(i_->dir / "own"));
  int port = 0, metrics_port = 0;
  ASSERT_OK_AND_ASSIGN(Process gateway, StartGateway("changing.log", &port, &metrics_port,
                                                     {"--tls-cert", i_->dir / "own/server.crt",
                                                      "--tls-key", i_->dir / "own/server.key"}));
  ASSERT_OK(WriteFileAtomically(i_->dir / "own/server.key", "no key"));
  ASSERT_OK(gateway.WaitForLog("the changed certificate is not used", "error").status());
  ASSERT_OK(MakeServerCertificate(i_->dir / "own"));
  ASSERT_OK(gateway.WaitForLog("new certificate", "msg").status());
  // The client trusts the new one alone.
  ASSERT_OK_AND_ASSIGN(
      const std::string code,
      RunToEnd({"/usr/bin/curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert",
                i_->dir / "own/server.crt", absl::StrCat("https://127.0.0.1:", port, "/")},
               i_->dir / "curl2.log"));
  EXPECT_EQ(code, "403");
  ASSERT_OK_AND_ASSIGN(const int status, gateway.Terminate());
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << gateway.Log();
}

}  // namespace
}  // namespace godwit::gateway
