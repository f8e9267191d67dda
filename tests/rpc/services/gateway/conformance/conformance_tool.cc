// What the conformance checks need beside the gateway's clients: the table of operations, and the
// calls of an agent, of the coordinator and of the job service, on an installation of
// deploy/dev/installation.sh. Says what is wrong and ends with 1.
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "godwit/replication/v1/agent_service.grpc.pb.h"
#include "services/common/base/file.h"
#include "tests/rpc/services/gateway/conformance/table_json.h"
#include "tests/rpc/services/gateway/ready_server.h"

namespace godwit::gateway {
namespace {

namespace pb = ::godwit::registry::v1;
namespace replication_pb = ::godwit::replication::v1;

constexpr char kUsage[] =
    "usage: mgn_conformance_tool table\n"
    "                            server DIR           a server READY_FOR_TEST; prints its id\n"
    "                            stalled-server DIR   one whose agent cannot read its disk\n"
    "                            launched DIR SERVER JOB test|cutover\n";

class Installation {
 public:
  static absl::StatusOr<Installation> Open(const std::string& dir) {
    Installation out(dir);
    ASSIGN_OR_RETURN(const std::string ports, ReadFile(dir + "/ports"));
    for (const absl::string_view line : absl::StrSplit(ports, '\n', absl::SkipEmpty())) {
      const std::pair<std::string, std::string> port =
          absl::StrSplit(line, absl::MaxSplits('=', 1));
      out.ports_.insert(port);
    }
    return out;
  }
  std::string Endpoint(const std::string& service) const {
    const auto found = ports_.find(service);
    return absl::StrCat("127.0.0.1:", found == ports_.end() ? "0" : found->second);
  }
  // To a service, with the certificate of `name`: "admin", "jobs", "replication".
  absl::StatusOr<std::shared_ptr<grpc::Channel>> Channel(const std::string& service,
                                                         const std::string& name) const {
    ASSIGN_OR_RETURN(const rpc::TlsMaterial tls, rpc::LoadTls(absl::StrCat(dir_, "/tls/", name)));
    return rpc::Dial(Endpoint(service), {.kind = rpc::PeerKind::kService, .id = service}, tls);
  }
  absl::StatusOr<testing::EnrolledServer> ReadyServer() const {
    testing::RegistryWays ways{.enrollment = Endpoint("enrollment")};
    ASSIGN_OR_RETURN(ways.registry, Channel("registry", "admin"));
    ASSIGN_OR_RETURN(ways.registry_for_replication, Channel("registry", "replication"));
    ASSIGN_OR_RETURN(ways.ca, ReadFile(dir_ + "/ca/ca.crt"));
    return testing::ReadyServer(ways);
  }

 private:
  explicit Installation(std::string dir) : dir_(std::move(dir)) {}
  std::string dir_;
  std::map<std::string, std::string> ports_;
};

// The agent reports until the coordinator takes it; that is once the registry's command has come.
absl::Status ReportStall(const Installation& installation, const testing::EnrolledServer& server) {
  replication_pb::HeartbeatRequest beat;
  replication_pb::AgentDisk* const disk = beat.add_disks();
  disk->set_disk_id("d-00000000000000001");
  disk->set_device_name("/dev/sda");
  disk->set_size_bytes(1 << 30);
  disk->set_is_boot_disk(true);
  beat.set_agent_version("0.1");
  beat.set_boot_id("00000000-0000-4000-8000-000000000000");
  beat.mutable_progress()->set_phase(replication_pb::AgentProgress::FAILED);
  beat.mutable_progress()->set_error_message("/dev/sda: input/output error");
  beat.mutable_progress()->set_stall_cause(replication_pb::Replication::SOURCE_READ_ERROR);
  const auto channel =
      rpc::Dial(installation.Endpoint("replication"),
                {.kind = rpc::PeerKind::kService, .id = "replication"}, server.tls);
  absl::Status status;
  for (const absl::Time give_up = absl::Now() + absl::Seconds(30); absl::Now() < give_up;) {
    status = testing::Ask(replication_pb::AgentService::NewStub(channel),
                          &replication_pb::AgentService::Stub::Heartbeat, beat)
                 .status();
    if (status.ok()) return status;
    absl::SleepFor(absl::Milliseconds(100));
  }
  return status;
}

absl::Status ReportLaunched(const Installation& installation, const std::string& server,
                            const std::string& job, const std::string& purpose) {
  pb::ReportLaunchRequest request;
  request.set_source_server("sourceServers/" + server);
  request.set_job(job);
  request.set_type(purpose == "test" ? jobs::v1::Job::TEST_LAUNCH : jobs::v1::Job::CUTOVER_LAUNCH);
  request.set_launch_status(jobs::v1::ParticipatingServer::LAUNCHED);
  request.set_request_id(NewUuid());
  jobs::v1::LaunchedMachine& machine = *request.mutable_machine();
  machine.set_machine_id(NewId("i-"));
  machine.set_target("qemu");
  machine.set_purpose(request.type());
  machine.set_job(job);
  machine.set_first_boot(jobs::v1::LaunchedMachine::SUCCEEDED);
  ASSIGN_OR_RETURN(const auto channel, installation.Channel("registry", "jobs"));
  RETURN_IF_ERROR(testing::Ask(pb::RegistryEventService::NewStub(channel),
                               &pb::RegistryEventService::Stub::ReportLaunch, request)
                      .status());
  std::printf("%s\n", machine.machine_id().c_str());
  return absl::OkStatus();
}

absl::Status Run(const std::vector<std::string>& words) {
  if (words == std::vector<std::string>{"table"}) {
    std::printf("%s\n", mgn::TableJson().dump().c_str());
    return absl::OkStatus();
  }
  if (words.size() < 2) return absl::InvalidArgumentError(kUsage);
  ASSIGN_OR_RETURN(const Installation installation, Installation::Open(words[1]));
  if (words.size() == 2 && (words[0] == "server" || words[0] == "stalled-server")) {
    ASSIGN_OR_RETURN(const testing::EnrolledServer server, installation.ReadyServer());
    if (words[0] == "stalled-server") RETURN_IF_ERROR(ReportStall(installation, server));
    std::printf("%s\n", server.id.c_str());
    return absl::OkStatus();
  }
  if (words.size() == 5 && words[0] == "launched") {
    return ReportLaunched(installation, words[2], words[3], words[4]);
  }
  return absl::InvalidArgumentError(kUsage);
}

}  // namespace
}  // namespace godwit::gateway

int main(int argc, char** argv) {
  const absl::Status status = godwit::gateway::Run({argv + 1, argv + argc});
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return 1;
}
