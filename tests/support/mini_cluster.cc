#include "tests/support/mini_cluster.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/check.h"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/crypt/master_keys.h"

namespace godwit::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

// A TCP port of loopback that nobody listens on now.
int FreePort() {
  const Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  GODWIT_CHECK(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  GODWIT_CHECK(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

// Runs a program to its end; its output is in the error.
absl::Status Run(const std::vector<std::string>& command, const std::string& log) {
  ASSIGN_OR_RETURN(Process process, Process::Start({.command = command, .log = log}));
  ASSIGN_OR_RETURN(const int status, process.Wait(kPatience));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(command[0], " failed:\n", process.Log()));
}

std::string PgClusterScript() {
  return (std::filesystem::path(GODWIT_SOURCE_DIR) / "deploy/dev/pg_cluster.sh").string();
}

}  // namespace

absl::StatusOr<std::unique_ptr<MiniCluster>> MiniCluster::Start(const Options& options) {
  std::unique_ptr<MiniCluster> cluster(new MiniCluster(options));
  RETURN_IF_ERROR(cluster->SetUp());
  return cluster;
}

MiniCluster::~MiniCluster() {
  for (auto& [name, service] : services_)
    service.process.Terminate(absl::Seconds(15)).IgnoreError();
  services_.clear();
  Run({PgClusterScript(), "destroy", dir_ / "pg"}, Log("pg_destroy")).IgnoreError();
}

void MiniCluster::Describe(const std::string& name, std::vector<std::string> command) {
  command[0] = Program(command[0]);
  command.push_back(absl::StrCat("--tls-dir=", dir_ / absl::StrCat("tls/", name)));
  if (ports_.contains(name) || name == "conversion-worker") {
    int& port = ports_[absl::StrCat(name, "/metrics")];
    if (port == 0) port = FreePort();
    command.push_back(absl::StrCat("--metrics-listen=127.0.0.1:", port));
  }
  services_[name].command = std::move(command);
}

absl::Status MiniCluster::SetUp() {
  chmod(dir_.path().c_str(), 0755);  // the database's user passes through
  RETURN_IF_ERROR(StartPostgres());
  ASSIGN_OR_RETURN(const std::string conninfo, ReadFile(dir_ / "pg/conninfo"));
  conninfo_ = std::string(absl::StripAsciiWhitespace(conninfo));
  RETURN_IF_ERROR(
      Run({Program("godwit-migrate"), absl::StrCat("--database=", conninfo_)}, Log("migrate")));

  RETURN_IF_ERROR(MakeDirs(dir_ / "ca", 0700));
  RETURN_IF_ERROR(MakeDirs(transfer_dir()));
  RETURN_IF_ERROR(WriteFileAtomically(dir_ / "ca/ca.crt", pki_.ca().certificate_pem));
  RETURN_IF_ERROR(WriteFileAtomically(dir_ / "ca/ca.key", pki_.ca().private_key_pem));
  // The registry keeps access keys with it.
  RETURN_IF_ERROR(crypt::AddMasterKey(dir_ / "master.keys").status());
  for (const char* service : {"registry", "replication", "jobs", "conversion"}) {
    ports_[service] = FreePort();
    pki_.Write(absl::StrCat("service/", service), dir_ / absl::StrCat("tls/", service));
  }
  ports_["enroll"] = FreePort();
  pki_.Write("conversion-worker/cw-1", dir_ / "tls/conversion-worker");

  const std::string database = absl::StrCat("--database=", conninfo_);
  const auto listen = [&](const char* name) { return absl::StrCat("--listen=", Endpoint(name)); };
  const auto peer = [&](const char* name) { return absl::StrCat("--", name, "=", Endpoint(name)); };
  Describe("registry", {"godwit-registry", listen("registry"),
                        absl::StrCat("--enroll-listen=", EnrollEndpoint()), database,
                        absl::StrCat("--ca-dir=", dir_ / "ca"), peer("jobs"), peer("replication"),
                        absl::StrCat("--advertise=", Endpoint("registry")),
                        absl::StrCat("--transfer-dir=", transfer_dir()),
                        absl::StrCat("--advertise-replication=", Endpoint("replication")),
                        absl::StrCat("--master-key-file=", dir_ / "master.keys")});
  Describe("replication", {"godwit-replication", listen("replication"), database, peer("registry"),
                           absl::StrCat("--lease-duration=", options_.lease_duration)});
  RETURN_IF_ERROR(StartService("registry"));
  RETURN_IF_ERROR(StartService("replication"));
  if (options_.conversion) {
    Describe("conversion", {"godwit-conversion", listen("conversion"), database, peer("registry")});
    Describe("conversion-worker", {"godwit-conversion-worker", peer("conversion"),
                                   absl::StrCat("--work-dir=", dir_ / "conversion-worker")});
    RETURN_IF_ERROR(StartService("conversion"));
    RETURN_IF_ERROR(StartService("conversion-worker"));
  }
  if (options_.jobs) {
    Describe("jobs",
             {"godwit-jobs", listen("jobs"), database, peer("registry"), peer("replication"),
              peer("conversion"), absl::StrCat("--machines-dir=", dir_ / "machines")});
    RETURN_IF_ERROR(StartService("jobs"));
  }
  return absl::OkStatus();
}

absl::Status MiniCluster::StartService(const std::string& name,
                                       const std::map<std::string, std::string>& environment) {
  const auto found = services_.find(name);
  GODWIT_CHECK(found != services_.end());
  std::vector<std::string> command = found->second.command;
  command.insert(command.end(), found->second.flags.begin(), found->second.flags.end());
  ASSIGN_OR_RETURN(found->second.process, Process::Start({.command = std::move(command),
                                                          .log = Log(name),
                                                          .environment = environment}));
  return found->second.process.WaitForLog("serving", "msg", kPatience).status();
}

absl::Status MiniCluster::RestartWith(const std::string& name, std::vector<std::string> flags) {
  RETURN_IF_ERROR(Get(name).Terminate().status());
  services_[name].flags = std::move(flags);
  return StartService(name);
}

absl::Status MiniCluster::AddWorker(const std::string& name, const std::string& store,
                                    const std::map<std::string, std::string>& environment) {
  const std::string id = WorkerId(name);
  pki_.Write(absl::StrCat("worker/", id), dir_ / absl::StrCat("tls/", name));
  if (!ports_.contains(name)) ports_[name] = FreePort();
  Describe(name,
           {"godwit-replication-worker", absl::StrCat("--store=", store),
            absl::StrCat("--listen=", Endpoint(name)), absl::StrCat("--advertise=", Endpoint(name)),
            absl::StrCat("--replication=", Endpoint("replication"))});
  return StartService(name, environment);
}

Process& MiniCluster::Get(const std::string& name) {
  const auto found = services_.find(name);
  GODWIT_CHECK(found != services_.end());
  return found->second.process;
}

absl::Status MiniCluster::StopPostgres(const std::string& mode) {
  return Run({PgClusterScript(), "stop", dir_ / "pg", mode}, Log("pg_stop"));
}

absl::Status MiniCluster::StartPostgres() {
  return Run({PgClusterScript(), "start", dir_ / "pg"}, Log("pg_start"));
}

std::shared_ptr<grpc::Channel> MiniCluster::Channel(const std::string& service,
                                                    const std::string& principal) {
  return rpc::Dial(Endpoint(service), *rpc::ParsePrincipal(absl::StrCat("service/", service)),
                   pki_.Issue(principal));
}

std::string MiniCluster::Endpoint(const std::string& service) const {
  return absl::StrCat("127.0.0.1:", ports_.at(service));
}

std::string MiniCluster::EnrollEndpoint() const { return Endpoint("enroll"); }

std::string MiniCluster::MetricsUrl(const std::string& service) const {
  const auto found = ports_.find(absl::StrCat(service, "/metrics"));
  GODWIT_CHECK(found != ports_.end());
  return absl::StrCat("http://127.0.0.1:", found->second, "/metrics");
}

std::string MiniCluster::WorkerId(const std::string& name) { return DerivedId("w-", name); }

}  // namespace godwit::testing
