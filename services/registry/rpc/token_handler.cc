#include <grpcpp/impl/codegen/server_context.h>

#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/enrollment_service.grpc.pb.h"
#include "services/common/base/ids.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/frame.h"
#include "services/registry/rpc/handlers.h"
#include "services/registry/rpc/starting_settings.h"
#include "services/registry/rpc/template_names.h"
#include "services/registry/storage/server_store.h"
#include "services/registry/storage/token_store.h"

namespace godwit::registry {
namespace {

constexpr std::size_t kMaxDescription = 1024;

absl::StatusOr<std::string> TokenId(absl::string_view name) {
  absl::StatusOr<std::string> id = ParseName("name", "tokens", "t-", name);
  if (!id.ok()) return rpc::FieldError("name", id.status().message());
  return id;
}

absl::Status CheckCreate(const pb::CreateTokenRequest& request) {
  RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  if (request.has_lifetime()) {
    const absl::Duration lifetime = DurationOf(request.lifetime());
    if (lifetime < absl::Minutes(1) || lifetime > kMaxTokenLifetime) {
      return rpc::FieldError("lifetime", "must be from 1 minute to 30 days");
    }
  }
  if (request.max_uses() < 0 || request.max_uses() > kMaxTokenUses) {
    return rpc::FieldError("max_uses", absl::StrCat("must be from 1 to ", kMaxTokenUses));
  }
  RETURN_IF_ERROR(CheckText("description", request.description(), 0, kMaxDescription));
  RETURN_IF_ERROR(CheckTags("tags", request.tags()));
  RETURN_IF_ERROR(TemplateOf("replication_template", request.replication_template(),
                             TemplateHalf::kReplication));
  return TemplateOf("launch_template", request.launch_template(), TemplateHalf::kLaunch).status();
}

class TokenHandler final : public pb::TokenService::Service {
 public:
  explicit TokenHandler(Backend& backend) : backend_(backend) {}

  grpc::Status CreateToken(grpc::ServerContext* context, const pb::CreateTokenRequest* request,
                           pb::Token* response) override {
    std::string name;
    return ServeChange(
        context, backend_.mutator,
        {.method = "TokenService.CreateToken",
         .access = rpc::kAdmins,
         .resource = "tokens/-",
         .request_id = request->request_id(),
         .request = request,
         .made_resource = &name},
        response,
        {.check = [&] { return CheckCreate(*request); },
         .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
           const std::string id = NewId("t-");
           const absl::Duration lifetime =
               request->has_lifetime() ? DurationOf(request->lifetime()) : kDefaultTokenLifetime;
           InstallationToken wanted{.id = id,
                                    .secret_hash = HashOf(TokenSecret(backend_.token_key, id)),
                                    .expire_time = backend_.clock.Now() + lifetime,
                                    .max_uses = std::max(request->max_uses(), 1),
                                    .description = request->description(),
                                    .tags = TagsToJson(request->tags())};
           ASSIGN_OR_RETURN(wanted.replication_template,
                            TemplateOf("replication_template", request->replication_template(),
                                       TemplateHalf::kReplication));
           ASSIGN_OR_RETURN(
               wanted.launch_template,
               TemplateOf("launch_template", request->launch_template(), TemplateHalf::kLaunch));
           RETURN_IF_ERROR(LockTemplatesOf(connection, wanted));
           ASSIGN_OR_RETURN(const InstallationToken token,
                            storage::InsertToken(connection, wanted));
           ASSIGN_OR_RETURN(*response, ToProto(token, backend_.ca_pin));
           name = response->name();
           return absl::OkStatus();
         },
         // Not part of the kept answer: the database holds no secrets.
         .after = [&](const rpc::Call&, bool) -> absl::Status {
           ASSIGN_OR_RETURN(const std::string id, TokenId(response->name()));
           response->set_secret(FormatToken(id, TokenSecret(backend_.token_key, id)));
           return absl::OkStatus();
         }});
  }

  grpc::Status ListTokens(grpc::ServerContext* context, const pb::ListTokensRequest* request,
                          pb::ListTokensResponse* response) override {
    return rpc::Serve(
        context, "TokenService.ListTokens", rpc::kAdmins, [&](const rpc::Call&) -> absl::Status {
          ASSIGN_OR_RETURN(const int size, PageSize(request->page_size()));
          ASSIGN_OR_RETURN(const PageKey after, ParsePageToken(request->page_token()));
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
          ASSIGN_OR_RETURN(const std::vector<InstallationToken> tokens,
                           storage::ListTokens(*connection, after.time, after.id, size + 1));
          for (int i = 0; i < size && i < static_cast<int>(tokens.size()); ++i) {
            ASSIGN_OR_RETURN(*response->add_tokens(), ToProto(tokens[i], backend_.ca_pin));
          }
          if (static_cast<int>(tokens.size()) > size) {
            const InstallationToken& last = tokens[size - 1];
            response->set_next_page_token(PageToken({last.create_time, last.id}));
          }
          return absl::OkStatus();
        });
  }

  grpc::Status RevokeToken(grpc::ServerContext* context, const pb::RevokeTokenRequest* request,
                           pb::Token* response) override {
    return ServeChange(context, backend_.mutator,
                       {.method = "TokenService.RevokeToken",
                        .access = rpc::kAdmins,
                        .resource = request->name(),
                        .request = request},
                       response,
                       {.check = [&] { return TokenId(request->name()).status(); },
                        .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
                          ASSIGN_OR_RETURN(const std::string id, TokenId(request->name()));
                          ASSIGN_OR_RETURN(const InstallationToken token,
                                           storage::RevokeToken(connection, id));
                          ASSIGN_OR_RETURN(*response, ToProto(token, backend_.ca_pin));
                          return absl::OkStatus();
                        }});
  }

  grpc::Status RevokeServerIdentity(grpc::ServerContext* context,
                                    const pb::RevokeServerIdentityRequest* request,
                                    pb::SourceServer* response) override {
    return ServeChange(
        context, backend_.mutator,
        {.method = "TokenService.RevokeServerIdentity",
         .access = rpc::kAdmins,
         .resource = request->name(),
         .request = request},
        response,
        {.check = [&] { return ServerId("name", request->name()).status(); },
         .apply = [&](pg::Connection& connection, const rpc::Call& call) -> absl::Status {
           ASSIGN_OR_RETURN(const std::string id, ServerId("name", request->name()));
           ASSIGN_OR_RETURN(SourceServer server, storage::LockServer(connection, id));
           if (!server.identity_revoked) {
             server.identity_revoked = true;
             ASSIGN_OR_RETURN(server, storage::SaveServer(connection, server,
                                                          {.event = "RevokeServerIdentity",
                                                           .principal = call.peer.Principal()}));
           }
           ASSIGN_OR_RETURN(*response, ToProto(server));
           return absl::OkStatus();
         }});
  }

 private:
  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeTokenHandler(Backend& backend) {
  return std::make_unique<TokenHandler>(backend);
}

}  // namespace godwit::registry
