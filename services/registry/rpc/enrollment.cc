#include "services/registry/rpc/enrollment.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/channel.h"
#include "services/common/rpc/serve.h"
#include "services/registry/domain/installation_token.h"
#include "services/registry/rpc/commands.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/properties_rules.h"
#include "services/registry/rpc/server_quotas.h"
#include "services/registry/rpc/starting_settings.h"
#include "services/registry/storage/outbox.h"
#include "services/registry/storage/server_store.h"
#include "services/registry/storage/token_store.h"

namespace godwit::registry {
namespace {

constexpr std::size_t kMaxCsr = 16 * 1024;

absl::Status BadToken(TokenVerdict verdict) {
  const absl::string_view reason = ReasonOf(verdict);
  const char* text = verdict == TokenVerdict::kRevoked   ? "was revoked"
                     : verdict == TokenVerdict::kExpired ? "has expired"
                     : verdict == TokenVerdict::kUsedUp  ? "is used up"
                                                         : "is not known";
  return rpc::WithInfo(
      absl::UnauthenticatedError(absl::StrCat("token: ", text, "; make a new one")),
      {.reason = std::string(reason),
       .domain = "registry",
       .metadata = {{"helpful_call", "CreateToken"}}});
}

// The good token of the request, locked.
absl::StatusOr<InstallationToken> Admit(Backend& backend, pg::Connection& connection,
                                        const std::string& token_text, const std::string& key) {
  ASSIGN_OR_RETURN(const TokenText text, ParseToken(token_text));
  absl::StatusOr<InstallationToken> token = storage::LockToken(connection, text.id);
  if (absl::IsNotFound(token.status())) return BadToken(TokenVerdict::kWrongSecret);
  RETURN_IF_ERROR(token);
  ASSIGN_OR_RETURN(const bool used, storage::TokenUsedBy(connection, text.id, key));
  const TokenVerdict verdict = Judge(*token, text.secret, backend.clock.Now(), used);
  if (verdict != TokenVerdict::kGood) return BadToken(verdict);
  return token;
}

absl::Status KeyOfAnother(const std::string& user_provided_id) {
  return rpc::WithInfo(
      absl::AlreadyExistsError(absl::StrCat(
          "user_provided_id: \"", user_provided_id,
          "\" belongs to a server with another key; disconnect that server to enrol it anew")),
      {.reason = "USER_PROVIDED_ID_TAKEN",
       .domain = "registry",
       .metadata = {{"helpful_call", "DisconnectFromService"}}});
}

// The server that the key or the operator's id names; an empty id when it is a new one.
absl::StatusOr<SourceServer> Recognise(pg::Connection& connection, const pb::EnrollRequest& request,
                                       const std::string& key) {
  const std::string& wanted = request.user_provided_id();
  ASSIGN_OR_RETURN(std::optional<SourceServer> server, storage::LockServerOfKey(connection, key));
  if (server) {
    if (server->identity_revoked) {
      return rpc::WithInfo(absl::PermissionDeniedError("csr_pem: this key was revoked"),
                           {.reason = "IDENTITY_REVOKED", .domain = "registry"});
    }
    if (!wanted.empty() && !server->user_provided_id.empty() &&
        wanted != server->user_provided_id) {
      return rpc::FieldError("user_provided_id",
                             absl::StrCat("this machine enrolled as \"", server->user_provided_id,
                                          "\", which cannot change"));
    }
    return *std::move(server);
  }
  if (wanted.empty()) return SourceServer();
  ASSIGN_OR_RETURN(server, storage::LockServerOfUserProvidedId(connection, wanted));
  if (!server) return SourceServer();
  const bool gone =
      server->lifecycle == Lifecycle::kDisconnected || server->lifecycle == Lifecycle::kCutover;
  if (server->identity_revoked || (!server->public_key_hash.empty() && !gone)) {
    return KeyOfAnother(wanted);
  }
  return *std::move(server);
}

// A server that left the service begins a life of its own. The machine that took over from it is in
// use and must never be removed as a leftover of an earlier launch.
absl::Status ForgetFormerLife(SourceServer& server) {
  server.last_test = LaunchRecord();
  server.last_cutover = LaunchRecord();
  if (server.machine.empty()) return absl::OkStatus();
  jobs_pb::LaunchedMachine machine;
  RETURN_IF_ERROR(FromJson(server.machine, &machine));
  if (machine.purpose() == jobs_pb::Job::TEST_LAUNCH) return absl::OkStatus();
  server.machine.clear();
  server.launch_job.clear();
  server.launch_status = LaunchStatus::kNone;
  return absl::OkStatus();
}

// Tags of the templates, the token and the request; later ones win.
absl::StatusOr<std::string> MergeTags(const std::string& a, const std::string& b, const Tags& c) {
  Tags merged;
  RETURN_IF_ERROR(AddTags(a, &merged));
  RETURN_IF_ERROR(AddTags(b, &merged));
  for (const auto& [key, value] : c) merged[key] = value;
  RETURN_IF_ERROR(CheckTags("tags", merged));
  return TagsToJson(merged);
}

}  // namespace

absl::StatusOr<std::string> CheckCsr(const std::string& csr_pem) {
  if (csr_pem.empty()) return rpc::FieldError("csr_pem", "is required");
  if (csr_pem.size() > kMaxCsr) return rpc::FieldError("csr_pem", "is larger than 16 KiB");
  absl::StatusOr<std::string> hash = rpc::PublicKeyHash(csr_pem);
  if (!hash.ok()) return rpc::FieldError("csr_pem", hash.status().message());
  return hash;
}

absl::Status CheckEnroll(const pb::EnrollRequest& request) {
  RETURN_IF_ERROR(ParseToken(request.token()));
  RETURN_IF_ERROR(CheckCsr(request.csr_pem()));
  if (!request.has_properties()) return rpc::FieldError("properties", "is required");
  RETURN_IF_ERROR(CheckProperties(request.properties(), DiskIds::kOptional));
  RETURN_IF_ERROR(CheckText("user_provided_id", request.user_provided_id(), 0, kMaxUserProvidedId));
  RETURN_IF_ERROR(CheckTags("tags", request.tags()));
  return CheckRequestId(request.request_id());
}

absl::StatusOr<std::string> IssueAgentCertificate(Backend& backend, const std::string& server_id,
                                                  const std::string& csr_pem) {
  absl::StatusOr<std::string> chain =
      rpc::Issue(backend.ca, csr_pem,
                 {.identity = {.kind = rpc::PeerKind::kAgent, .id = server_id},
                  .lifetime = backend.agent_certificate_lifetime,
                  .now = backend.clock.Now()});
  if (absl::IsInvalidArgument(chain.status())) {
    return rpc::FieldError("csr_pem", chain.status().message());
  }
  return chain;
}

std::string TrustedCas(const Backend& backend) {
  std::string trusted = backend.trusted_cas;
  if (!backend.tls_dir.empty()) {
    // Read now: it is replaced while the registry runs.
    const absl::StatusOr<rpc::TlsMaterial> present = rpc::LoadTls(backend.tls_dir);
    if (present.ok()) trusted = present->ca;
  }
  if (absl::StrContains(trusted, absl::StripAsciiWhitespace(backend.ca.certificate_pem))) {
    return trusted;
  }
  return absl::StrCat(backend.ca.certificate_pem, trusted);
}

void SetEndpoints(const Backend& backend, pb::ServiceEndpoints* out) {
  out->set_registry(backend.registry_endpoint);
  out->set_replication(backend.replication_endpoint);
}

absl::StatusOr<pb::EnrollResponse> Enroll(Backend& backend, pg::Connection& connection,
                                          const pb::EnrollRequest& request,
                                          std::string* start_command) {
  start_command->clear();
  ASSIGN_OR_RETURN(const std::string key, rpc::PublicKeyHash(request.csr_pem()));
  ASSIGN_OR_RETURN(const InstallationToken token, Admit(backend, connection, request.token(), key));
  ASSIGN_OR_RETURN(SourceServer server, Recognise(connection, request, key));
  const bool is_new = server.id.empty();
  const SourceServer found = server;
  const Lifecycle before = server.lifecycle;
  if (is_new) {
    server.id = NewId("s-");
    RETURN_IF_ERROR(Furnish(connection, token, &server));
  } else {
    server.lifecycle = *Next(backend.profile, before, Event::kEnroll);
    if (before == Lifecycle::kDisconnected || before == Lifecycle::kCutover) {
      RETURN_IF_ERROR(ForgetFormerLife(server));
    }
  }
  bool begins = server.lifecycle == Lifecycle::kNotReady && (is_new || before != server.lifecycle);
  if (begins && request.no_replication()) {
    begins = false;
    server.lifecycle = Lifecycle::kStopped;
  }
  if (is_new || before != server.lifecycle) server.state_time = backend.clock.Now();
  server.archived = false;
  if (server.user_provided_id.empty()) server.user_provided_id = request.user_provided_id();
  server.public_key_hash = key;
  ++server.certificate_generation;
  server.renewal_hash = HashOf(request.csr_pem());
  server.enroll_time = backend.clock.Now();
  ASSIGN_OR_RETURN(server.tags, MergeTags(server.tags, token.tags, request.tags()));
  pb::SourceProperties properties = request.properties();
  SetTime(backend.clock.Now(), properties.mutable_update_time());
  ASSIGN_OR_RETURN(server.properties, ToJson(properties));
  ASSIGN_OR_RETURN(const std::string chain,
                   IssueAgentCertificate(backend, server.id, request.csr_pem()));

  RETURN_IF_ERROR(CheckQuotas(backend, connection, is_new ? nullptr : &found, server));
  const std::string principal = absl::StrCat("agent/", server.id);
  const storage::Change change{.event = Name(Event::kEnroll), .principal = principal};
  absl::StatusOr<SourceServer> saved = is_new ? storage::InsertServer(connection, server, change)
                                              : storage::SaveServer(connection, server, change);
  // The same key or id came through another connection just now: look again and find it.
  if (absl::IsAlreadyExists(saved.status())) return absl::AbortedError(saved.status().message());
  ASSIGN_OR_RETURN(server, std::move(saved));
  RETURN_IF_ERROR(storage::UseToken(connection, token.id, key, server.id));
  if (begins) {
    ASSIGN_OR_RETURN(*start_command, EnqueueStartServer(connection, server.id));
  }
  pb::EnrollResponse response;
  response.set_source_server(absl::StrCat("sourceServers/", server.id));
  response.set_certificate_chain_pem(chain);
  response.set_ca_pem(TrustedCas(backend));
  SetEndpoints(backend, response.mutable_endpoints());
  response.set_certificate_generation(server.certificate_generation);
  return response;
}

}  // namespace godwit::registry
