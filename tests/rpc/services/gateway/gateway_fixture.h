// A gateway before a whole installation of real services, with access keys that the registry made.
// One installation serves all tests of the binary; it ends with the last of them.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "godwit/jobs/v1/job_service.grpc.pb.h"
#include "godwit/registry/v1/access_key_service.grpc.pb.h"
#include "godwit/registry/v1/source_server_service.grpc.pb.h"
#include "nlohmann/json.hpp"
#include "services/common/base/file.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "tests/rpc/services/gateway/ready_server.h"
#include "tests/support/mini_cluster.h"
#include "tests/support/process.h"
#include "tests/support/status_matchers.h"

namespace godwit::gateway {

// Runs a program to its end; its output, or what went wrong with it.
inline absl::StatusOr<std::string> RunToEnd(std::vector<std::string> command,
                                            const std::string& log,
                                            std::map<std::string, std::string> environment = {}) {
  auto process = ::godwit::testing::Process::Start(
      {.command = std::move(command), .log = log, .environment = std::move(environment)});
  if (!process.ok()) return process.status();
  const auto status = process->Wait(absl::Seconds(120));
  if (!status.ok()) return status.status();
  if (*status != 0) return absl::InternalError(process->Log());
  return process->Log();
}

// A certificate for 127.0.0.1 that stands for itself, as DIR/server.crt and DIR/server.key.
inline absl::Status MakeServerCertificate(const std::string& dir) {
  return RunToEnd({"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=gateway",
                   "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", dir + "/server.key", "-out",
                   dir + "/server.crt"},
                  dir + "/openssl.log")
      .status();
}

class GatewayTest : public ::testing::Test {
 protected:
  struct Installation {
    ::godwit::testing::TempDir dir;
    std::unique_ptr<::godwit::testing::MiniCluster> cluster;
    // "operator" (user/operator/ci), "viewer" (user/viewer/dashboard), "lenient" (user/admin/alice,
    // by the lenient rules of the life cycle), "disabled" (user/operator/gone), "scoped"
    // (user/operator/scoped, whom scopes_test.cc limits).
    std::map<std::string, registry::v1::AccessKey> keys;
    ::godwit::testing::Process gateway;
    int port = 0, metrics_port = 0;
  };

  static void SetUpTestSuite() {
    if (i_ != nullptr) return;
    i_ = new Installation;
    ASSERT_OK(StartInstallation());
  }

  // A gateway of its own before the same services; `port` and `metrics_port` are set.
  static absl::StatusOr<::godwit::testing::Process> StartGateway(
      const std::string& log, int* port, int* metrics_port,
      const std::vector<std::string>& more = {}) {
    std::vector<std::string> command = {
        ::godwit::testing::Program("godwit-gateway"),
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
        "--region=us-east-1",
        "--region=eu-central-1",
        "--account=123456789012",
        "--documents",
        i_->dir / "documents",
    };
    command.insert(command.end(), more.begin(), more.end());
    ASSIGN_OR_RETURN(auto gateway, ::godwit::testing::Process::Start(
                                       {.command = std::move(command), .log = i_->dir / log}));
    ASSIGN_OR_RETURN(*port, gateway.WaitForPort());
    ASSIGN_OR_RETURN(const std::string metrics, gateway.WaitForLog("serving", "metrics_port"));
    *metrics_port = std::stoi(metrics);
    return gateway;
  }

  // What client.py expects.
  static std::map<std::string, std::string> Environment() {
    nlohmann::json keys;
    for (const auto& [name, key] : i_->keys) keys[name] = {IdOf(key), key.secret()};
    const registry::v1::AccessKey& own = i_->keys.at("operator");
    return {{"GATEWAY_URL", absl::StrCat("https://127.0.0.1:", i_->port)},
            {"GATEWAY_CA", i_->dir / "server.crt"},
            {"GATEWAY_KEYS", keys.dump()},
            {"AWS_ACCESS_KEY_ID", IdOf(own)},
            {"AWS_SECRET_ACCESS_KEY", own.secret()},
            {"AWS_EC2_METADATA_DISABLED", "true"},
            {"AWS_CA_BUNDLE", i_->dir / "server.crt"},
            {"AWS_CONFIG_FILE", i_->dir / "none"},
            {"AWS_SHARED_CREDENTIALS_FILE", i_->dir / "none"},
            {"GODWIT", ::godwit::testing::Program("godwit")},
            {"GODWIT_CONFIG", i_->dir / "godwit.conf"},
            {"PYTHONDONTWRITEBYTECODE", "1"}};
  }
  // Output of a script of this folder.
  static absl::StatusOr<std::string> Script(const std::string& name,
                                            std::vector<std::string> arguments = {}) {
    std::vector<std::string> command = {
        "/usr/bin/python3", absl::StrCat(GODWIT_SOURCE_DIR "/tests/rpc/services/gateway/", name)};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return RunToEnd(command, i_->dir / (name + ".log"), Environment());
  }

  template <typename Stub, typename Request, typename Response>
  static absl::StatusOr<Response> Ask(const std::unique_ptr<Stub>& stub,
                                      grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                   const Request&, Response*),
                                      const Request& request) {
    return ::godwit::testing::Ask(stub, method, request);
  }

  // A server that an agent enrolled and whose initial sync the coordinator reports: its id.
  static absl::StatusOr<std::string> ReadyServer() {
    ASSIGN_OR_RETURN(
        ::godwit::testing::EnrolledServer server,
        ::godwit::testing::ReadyServer(
            {.registry = i_->cluster->Channel("registry"),
             .registry_for_replication = i_->cluster->Channel("registry", "service/replication"),
             .enrollment = i_->cluster->EnrollEndpoint(),
             .ca = i_->cluster->pki().ca().certificate_pem}));
    return std::move(server.id);
  }

  inline static Installation* i_ = nullptr;

 private:
  class EndInstallation final : public ::testing::Environment {
   public:
    void TearDown() override {
      delete i_;
      i_ = nullptr;
    }
  };
  inline static ::testing::Environment* const end_ =
      ::testing::AddGlobalTestEnvironment(new EndInstallation);

  static std::string IdOf(const registry::v1::AccessKey& key) {
    return key.name().substr(sizeof "accessKeys/" - 1);
  }

  static absl::Status MakeKey(const std::string& name, const std::string& principal,
                              registry::v1::AccessKey::LifecycleProfile profile) {
    using Stub = registry::v1::AccessKeyService::Stub;
    registry::v1::CreateAccessKeyRequest create;
    create.set_request_id(NewUuid());
    create.mutable_access_key()->set_principal(principal);
    create.mutable_access_key()->set_lifecycle_profile(profile);
    ASSIGN_OR_RETURN(i_->keys[name],
                     Ask(registry::v1::AccessKeyService::NewStub(i_->cluster->Channel("registry")),
                         &Stub::CreateAccessKey, create));
    if (name != "disabled") return absl::OkStatus();
    registry::v1::UpdateAccessKeyRequest disable;
    disable.mutable_access_key()->set_name(i_->keys[name].name());
    disable.mutable_access_key()->set_disabled(true);
    disable.mutable_update_mask()->add_paths("disabled");
    return Ask(registry::v1::AccessKeyService::NewStub(i_->cluster->Channel("registry")),
               &Stub::UpdateAccessKey, disable)
        .status();
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

  static absl::Status StartInstallation() {
    using registry::v1::AccessKey;
    ASSIGN_OR_RETURN(i_->cluster, ::godwit::testing::MiniCluster::Start({.jobs = true}));
    i_->cluster->pki().Write("service/gateway", i_->dir / "tls");
    const auto any = AccessKey::LIFECYCLE_PROFILE_UNSPECIFIED;
    RETURN_IF_ERROR(MakeKey("operator", "user/operator/ci", any));
    RETURN_IF_ERROR(MakeKey("viewer", "user/viewer/dashboard", any));
    RETURN_IF_ERROR(MakeKey("lenient", "user/admin/alice", AccessKey::LENIENT));
    RETURN_IF_ERROR(MakeKey("scoped", "user/operator/scoped", any));
    RETURN_IF_ERROR(MakeKey("disabled", "user/operator/gone", any));
    RETURN_IF_ERROR(MakeServerCertificate(i_->dir.path()));
    RETURN_IF_ERROR(WriteAids());
    ASSIGN_OR_RETURN(i_->gateway, StartGateway("gateway.log", &i_->port, &i_->metrics_port));
    return absl::OkStatus();
  }
};

}  // namespace godwit::gateway
