#include <google/protobuf/util/message_differencer.h>
#include <grpc/grpc_security_constants.h>
#include <grpcpp/impl/codegen/server_context.h>

#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/enrollment_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/enrollment.h"
#include "services/registry/rpc/frame.h"
#include "services/registry/rpc/handlers.h"
#include "services/registry/rpc/properties_rules.h"
#include "services/registry/storage/server_store.h"

namespace godwit::registry {
namespace {

absl::Status Denied(absl::string_view text, absl::string_view reason) {
  return rpc::WithInfo(absl::PermissionDeniedError(text),
                       {.reason = std::string(reason), .domain = "registry"});
}

class EnrollHandler final : public pb::EnrollmentService::Service {
 public:
  explicit EnrollHandler(Backend& backend) : backend_(backend) {}

  grpc::Status Enroll(grpc::ServerContext* context, const pb::EnrollRequest* request,
                      pb::EnrollResponse* response) override {
    std::string start_command, name;
    return ServeChange(context, backend_.mutator,
                       {.method = "EnrollmentService.Enroll",
                        .access = rpc::kAnybody,
                        .resource = "sourceServers/-",
                        .request = request,
                        .audit_refusals = false,
                        .made_resource = &name},
                       response,
                       {.check = [&] { return CheckEnroll(*request); },
                        .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
                          ASSIGN_OR_RETURN(*response, registry::Enroll(backend_, connection,
                                                                       *request, &start_command));
                          name = response->source_server();
                          return absl::OkStatus();
                        },
                        .after = [&](const rpc::Call&, bool) -> absl::Status {
                          if (!start_command.empty()) backend_.sender.DeliverNow(start_command);
                          return absl::OkStatus();
                        }});
  }

 private:
  Backend& backend_;
};

class AgentHandler final : public pb::EnrollmentService::Service {
 public:
  explicit AgentHandler(Backend& backend) : backend_(backend) {}

  grpc::Status Renew(grpc::ServerContext* context, const pb::RenewRequest* request,
                     pb::RenewResponse* response) override {
    return ServeChange(
        context, backend_.mutator,
        {.method = "EnrollmentService.Renew",
         .access = rpc::kAgents,
         .resource = "sourceServers/-",
         .request = request},
        response,
        {.check = [&] { return CheckCsr(request->csr_pem()).status(); },
         .apply = [&](pg::Connection& connection, const rpc::Call& call) -> absl::Status {
           return Renew(connection, call.peer.id, PeerKey(*context), *request, response);
         }});
  }

  // No audit row: agents report often. What changes makes a history row.
  grpc::Status UpdateProperties(grpc::ServerContext* context,
                                const pb::UpdatePropertiesRequest* request,
                                pb::UpdatePropertiesResponse*) override {
    return rpc::Serve(
        context, "EnrollmentService.UpdateProperties", rpc::kAgents,
        [&](const rpc::Call& call) -> absl::Status {
          if (!request->has_properties()) return rpc::FieldError("properties", "is required");
          RETURN_IF_ERROR(CheckProperties(request->properties(), DiskIds::kRequired));
          return backend_.mutator.pool().InTransaction([&](pg::Transaction& transaction) {
            return Update(transaction.connection(), call.peer, request->properties());
          });
        });
  }

 private:
  // Hash of the key that the caller proved to have.
  static std::string PeerKey(const grpc::ServerContext& context) {
    const auto values =
        context.auth_context()->FindPropertyValues(GRPC_X509_PEM_CERT_PROPERTY_NAME);
    if (values.empty()) return "";
    const absl::StatusOr<std::string> hash =
        rpc::PublicKeyHash(std::string(values[0].data(), values[0].size()));
    return hash.ok() ? *hash : "";
  }

  // The caller's server, locked, when it may still act.
  static absl::StatusOr<SourceServer> LockOwn(pg::Connection& connection, const std::string& id) {
    absl::StatusOr<SourceServer> server = storage::LockServer(connection, id);
    if (absl::IsNotFound(server.status())) {
      return Denied("this server was deleted; enrol again", "SERVER_DELETED");
    }
    RETURN_IF_ERROR(server);
    if (server->identity_revoked) {
      return Denied("the identity of this server was revoked", "IDENTITY_REVOKED");
    }
    return server;
  }

  absl::Status Renew(pg::Connection& connection, const std::string& id, const std::string& peer_key,
                     const pb::RenewRequest& request, pb::RenewResponse* response) {
    ASSIGN_OR_RETURN(SourceServer server, LockOwn(connection, id));
    const std::string csr_hash = HashOf(request.csr_pem());
    // The answer to this very CSR was lost on its way.
    const bool repeated = request.certificate_generation() == server.certificate_generation - 1 &&
                          csr_hash == server.renewal_hash;
    if (!repeated && request.certificate_generation() != server.certificate_generation) {
      return Denied(
          absl::StrCat("certificate_generation: is not the latest one, which is ",
                       server.certificate_generation,
                       "; another machine with this identity renewed (a clone?): enrol again"),
          "GENERATION_MISMATCH");
    }
    if (!repeated && peer_key != server.public_key_hash) {
      return Denied("another key took this server over", "KEY_REPLACED");
    }
    if (!repeated) {
      ++server.certificate_generation;
      server.renewal_hash = csr_hash;
      ASSIGN_OR_RETURN(server.public_key_hash, rpc::PublicKeyHash(request.csr_pem()));
      ASSIGN_OR_RETURN(
          server, storage::SaveServer(connection, server,
                                      {.event = "Renew", .principal = absl::StrCat("agent/", id)}));
    }
    ASSIGN_OR_RETURN(*response->mutable_certificate_chain_pem(),
                     IssueAgentCertificate(backend_, id, request.csr_pem()));
    response->set_ca_pem(TrustedCas(backend_));
    response->set_certificate_generation(server.certificate_generation);
    SetEndpoints(backend_, response->mutable_endpoints());
    return absl::OkStatus();
  }

  absl::Status Update(pg::Connection& connection, const rpc::Identity& peer,
                      pb::SourceProperties properties) {
    ASSIGN_OR_RETURN(SourceServer server, LockOwn(connection, peer.id));
    pb::SourceProperties known;
    RETURN_IF_ERROR(FromJson(server.properties, &known));
    const pb::MeasuredUse known_use = known.use();
    const pb::MeasuredUse use = properties.has_use() ? properties.use() : known_use;
    const auto time = known.update_time();
    for (pb::SourceProperties* each : {&known, &properties}) {
      each->clear_update_time();
      each->clear_use();
    }
    const bool same = google::protobuf::util::MessageDifferencer::Equals(known, properties);
    if (use.sample_count() > 0) *properties.mutable_use() = use;
    if (same && google::protobuf::util::MessageDifferencer::Equals(use, known_use))
      return absl::OkStatus();
    if (same) {
      *properties.mutable_update_time() = time;
      ASSIGN_OR_RETURN(server.properties, ToJson(properties));
      return storage::SaveUse(connection, server);
    }
    SetTime(backend_.clock.Now(), properties.mutable_update_time());
    ASSIGN_OR_RETURN(server.properties, ToJson(properties));
    return storage::SaveServer(connection, server,
                               {.event = "UpdateProperties", .principal = peer.Principal()})
        .status();
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeEnrollHandler(Backend& backend) {
  return std::make_unique<EnrollHandler>(backend);
}

std::unique_ptr<grpc::Service> MakeAgentHandler(Backend& backend) {
  return std::make_unique<AgentHandler>(backend);
}

}  // namespace godwit::registry
