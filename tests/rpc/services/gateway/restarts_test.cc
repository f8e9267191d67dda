// Copies of the registry are killed and stopped under load: no client of the gateway sees it.
#include <csignal>
#include <cstdio>

#include "absl/strings/match.h"
#include "godwit/registry/v1/fleet_service.grpc.pb.h"
#include "tests/rpc/services/gateway/gateway_fixture.h"

namespace godwit::gateway {
namespace {

namespace pb = ::godwit::registry::v1;

class RestartsTest : public GatewayTest {
 protected:
  // A second registry over the same database, on `listen`.
  static absl::StatusOr<::godwit::testing::Process> SecondRegistry(const std::string& listen) {
    const ::godwit::testing::MiniCluster& cluster = *i_->cluster;
    return ::godwit::testing::Process::Start(
        {.command = {::godwit::testing::Program("godwit-registry"),
                     absl::StrCat("--listen=", listen), "--enroll-listen=127.0.0.1:0",
                     absl::StrCat("--database=", cluster.conninfo()),
                     absl::StrCat("--ca-dir=", cluster.dir(), "/ca"),
                     absl::StrCat("--jobs=", cluster.Endpoint("jobs")),
                     absl::StrCat("--replication=", cluster.Endpoint("replication")),
                     absl::StrCat("--advertise=", cluster.Endpoint("registry")),
                     absl::StrCat("--advertise-replication=", cluster.Endpoint("replication")),
                     absl::StrCat("--transfer-dir=", cluster.transfer_dir()),
                     absl::StrCat("--master-key-file=", cluster.dir(), "/master.keys"),
                     absl::StrCat("--tls-dir=", cluster.dir(), "/tls/registry"),
                     "--metrics-listen=127.0.0.1:0"},
         .log = i_->dir / "second-registry.log"});
  }
  // Until the gateway has lists of this copy again, so that the other one may go.
  static absl::Status AwaitCalls(const std::string& metrics_url) {
    const absl::Time give_up = absl::Now() + absl::Seconds(60);
    while (absl::Now() < give_up) {
      ASSIGN_OR_RETURN(const std::string metrics,
                       RunToEnd({"/usr/bin/curl", "-fsS", metrics_url}, i_->dir / "curl.log"));
      if (absl::StrContains(metrics, "ListApplications")) return absl::OkStatus();
      absl::SleepFor(absl::Milliseconds(100));
    }
    return absl::DeadlineExceededError(absl::StrCat(metrics_url, ": no lists of applications"));
  }
  static absl::Status AwaitCalls(::godwit::testing::Process& registry) {
    ASSIGN_OR_RETURN(const std::string port, registry.WaitForLog("metrics", "port"));
    return AwaitCalls(absl::StrCat("http://127.0.0.1:", port, "/metrics"));
  }
};

TEST_F(RestartsTest, ReadsSucceedAtOnceAndChangesInTheEnd) {
  const auto fleet = pb::FleetService::NewStub(i_->cluster->Channel("registry"));
  pb::CreateApplicationRequest create;
  create.set_request_id(NewUuid());
  create.mutable_application()->set_display_name("Restarts");
  ASSERT_OK_AND_ASSIGN(const pb::Application application,
                       Ask(fleet, &pb::FleetService::Stub::CreateApplication, create));
  ASSERT_OK_AND_ASSIGN(::godwit::testing::Process second, SecondRegistry("127.0.0.1:0"));
  ASSERT_OK_AND_ASSIGN(const int second_port, second.WaitForPort());
  const std::string second_endpoint = absl::StrCat("127.0.0.1:", second_port);
  int port = 0, metrics_port = 0;
  // The later flag counts.
  ASSERT_OK_AND_ASSIGN(
      ::godwit::testing::Process gateway,
      StartGateway("restarts-gateway.log", &port, &metrics_port,
                   {absl::StrCat("--registry=ipv4:", i_->cluster->Endpoint("registry"), ",",
                                 second_endpoint)}));

  std::map<std::string, std::string> environment = Environment();
  environment["GATEWAY_URL"] = absl::StrCat("https://127.0.0.1:", port);
  const std::string stop = i_->dir / "restarts-stop";
  ASSERT_OK_AND_ASSIGN(
      ::godwit::testing::Process caller,
      ::godwit::testing::Process::Start(
          {.command = {"/usr/bin/python3",
                       GODWIT_SOURCE_DIR "/tests/rpc/services/gateway/restarts.py",
                       application.name().substr(sizeof "applications/" - 1), stop},
           .log = i_->dir / "restarts.py.log",
           .environment = environment}));
  ASSERT_OK(caller.WaitForLog("calling", "msg"));
  ASSERT_OK(AwaitCalls(second));
  for (int round = 0; round < 2; ++round) {
    second.Signal(SIGKILL);
    ASSERT_OK_AND_ASSIGN(second, SecondRegistry(second_endpoint));
    ASSERT_OK(AwaitCalls(second));
    // The first one as an upgrade does it, and then killed, too.
    if (round == 0) {
      ASSERT_OK(i_->cluster->RestartWith("registry", {}));
    } else {
      i_->cluster->Get("registry").Signal(SIGKILL);
      ASSERT_OK(i_->cluster->StartService("registry"));
    }
    ASSERT_OK(AwaitCalls(i_->cluster->MetricsUrl("registry")));
    ASSERT_OK(second.Terminate());
    ASSERT_OK_AND_ASSIGN(second, SecondRegistry(second_endpoint));
    ASSERT_OK(AwaitCalls(second));
  }
  ASSERT_OK(WriteFileAtomically(stop, "stop"));
  ASSERT_OK_AND_ASSIGN(const int status, caller.Wait(absl::Seconds(60)));
  EXPECT_EQ(status, 0) << caller.Log();
  std::printf("%s\n", caller.Log().c_str());
}

}  // namespace
}  // namespace godwit::gateway
