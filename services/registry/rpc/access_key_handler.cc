#include <grpcpp/impl/codegen/server_context.h>

#include "absl/strings/str_cat.h"
#include "godwit/registry/v1/access_key_service.grpc.pb.h"
#include "services/common/base/status_macros.h"
#include "services/registry/rpc/access_keys.h"
#include "services/registry/rpc/fields.h"
#include "services/registry/rpc/frame.h"
#include "services/registry/rpc/handlers.h"
#include "services/registry/rpc/settings_rules.h"
#include "services/registry/storage/access_key_store.h"
#include "services/registry/storage/revocation_store.h"

namespace godwit::registry {
namespace {

namespace pb = ::godwit::registry::v1;
using Context = grpc::ServerContext;

constexpr int kDefaultKeysOfPage = 100;
constexpr int kMaxKeysOfPage = 1000;

class AccessKeyHandler final : public pb::AccessKeyService::Service {
 public:
  explicit AccessKeyHandler(Backend& backend) : backend_(backend) {}

  grpc::Status CreateAccessKey(Context* context, const pb::CreateAccessKeyRequest* request,
                               pb::AccessKey* response) override {
    std::string name;
    return ServeChange(context, backend_.mutator,
                       {.method = "AccessKeyService.CreateAccessKey",
                        .resource = "accessKeys/-",
                        .request_id = request->request_id(),
                        .request = request,
                        .made_resource = &name},
                       response,
                       {.check = [&] { return CheckCreateAccessKey(*request); },
                        .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
                          ASSIGN_OR_RETURN(*response, Create(connection, request->access_key()));
                          name = response->name();
                          return absl::OkStatus();
                        },
                        // Not part of the kept answer: the database has it only encrypted.
                        .after = [&](const rpc::Call&, bool) { return AddSecret(response); }});
  }

  grpc::Status ListAccessKeys(Context* context, const pb::ListAccessKeysRequest* request,
                              pb::ListAccessKeysResponse* response) override {
    return rpc::Serve(
        context, "AccessKeyService.ListAccessKeys", [&](const rpc::Call& call) -> absl::Status {
          if (request->page_size() < 0) return rpc::FieldError("page_size", "is negative");
          const int size = request->page_size() == 0
                               ? kDefaultKeysOfPage
                               : std::min<int>(request->page_size(), kMaxKeysOfPage);
          ASSIGN_OR_RETURN(const PageKey after, ParsePageToken(request->page_token()));
          RETURN_IF_ERROR(CheckText("principal", request->principal(), 0, 256));
          std::string principal = request->principal();
          if (call.peer.role != rpc::UserRole::kAdmin) {
            if (principal.empty()) principal = call.peer.Principal();
            if (principal != call.peer.Principal()) return absl::OkStatus();  // sees none of those
          }
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
          ASSIGN_OR_RETURN(
              const std::vector<AccessKey> keys,
              storage::ListAccessKeys(*connection, principal, after.time, after.id, size + 1));
          for (int i = 0; i < size && i < static_cast<int>(keys.size()); ++i) {
            *response->add_access_keys() = ToProto(keys[i]);
          }
          if (static_cast<int>(keys.size()) > size) {
            const AccessKey& last = keys[size - 1];
            response->set_next_page_token(PageToken({last.create_time, last.id}));
          }
          return absl::OkStatus();
        });
  }

  grpc::Status UpdateAccessKey(Context* context, const pb::UpdateAccessKeyRequest* request,
                               pb::AccessKey* response) override {
    const pb::AccessKey& wanted = request->access_key();
    return ServeChange(context, backend_.mutator,
                       {.method = "AccessKeyService.UpdateAccessKey",
                        .resource = wanted.name(),
                        .request = request},
                       response,
                       {.check = [&] { return CheckUpdateAccessKey(*request); },
                        .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
                          ASSIGN_OR_RETURN(const std::string id,
                                           AccessKeyId("access_key.name", wanted.name()));
                          ASSIGN_OR_RETURN(AccessKey key, storage::LockAccessKey(connection, id));
                          RETURN_IF_ERROR(CheckEtag(wanted.etag(), key.version));
                          pb::AccessKey merged = ToProto(key);
                          RETURN_IF_ERROR(MergeByMask(wanted, request->update_mask(), &merged));
                          key.description = merged.description();
                          key.disabled = merged.disabled();
                          key.lifecycle_profile = merged.lifecycle_profile();
                          ASSIGN_OR_RETURN(key, storage::SaveAccessKey(connection, key));
                          *response = ToProto(key);
                          return absl::OkStatus();
                        }});
  }

  grpc::Status DeleteAccessKey(Context* context, const pb::DeleteAccessKeyRequest* request,
                               pb::DeleteAccessKeyResponse* response) override {
    return ServeChange(context, backend_.mutator,
                       {.method = "AccessKeyService.DeleteAccessKey",
                        .resource = request->name(),
                        .request = request},
                       response,
                       {.check = [&] { return AccessKeyId("name", request->name()).status(); },
                        .apply = [&](pg::Connection& connection, const rpc::Call&) -> absl::Status {
                          ASSIGN_OR_RETURN(const std::string id,
                                           AccessKeyId("name", request->name()));
                          return storage::DeleteAccessKey(connection, id);
                        }});
  }

  grpc::Status GetSigningKey(Context* context, const pb::GetSigningKeyRequest* request,
                             pb::SigningKey* response) override {
    return rpc::Serve(
        context, "AccessKeyService.GetSigningKey", [&](const rpc::Call&) -> absl::Status {
          RETURN_IF_ERROR(CheckGetSigningKey(*request, backend_.clock.Now()));
          ASSIGN_OR_RETURN(const std::string id, AccessKeyId("name", request->name()));
          ASSIGN_OR_RETURN(const crypt::MasterKeys masters,
                           LoadMasterKeys(backend_.master_key_file));
          ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
          ASSIGN_OR_RETURN(const AccessKey key, storage::GetAccessKey(*connection, id));
          ASSIGN_OR_RETURN(const crypt::Secret secret, UnwrapAccessSecret(masters, key));
          ASSIGN_OR_RETURN(
              const crypt::Secret signing,
              SigningKeyOf(secret, request->date(), request->region(), request->service()));
          ASSIGN_OR_RETURN(const bool revoked, storage::IsRevoked(*connection, key.principal));
          const bool disabled = key.disabled || revoked;
          if (!disabled) RETURN_IF_ERROR(storage::TouchAccessKey(*connection, id));
          response->set_key(signing.bytes());
          response->set_principal(key.principal);
          response->set_disabled(disabled);
          response->set_lifecycle_profile(
              static_cast<pb::AccessKey::LifecycleProfile>(key.lifecycle_profile));
          return absl::OkStatus();
        });
  }

 private:
  absl::StatusOr<pb::AccessKey> Create(pg::Connection& connection, const pb::AccessKey& wanted) {
    ASSIGN_OR_RETURN(const crypt::MasterKeys masters, LoadMasterKeys(backend_.master_key_file));
    ASSIGN_OR_RETURN(const crypt::Secret secret, NewAccessSecret());
    const std::string id = NewAccessKeyId();
    ASSIGN_OR_RETURN(std::string wrapped, WrapAccessSecret(masters.current(), id, secret));
    ASSIGN_OR_RETURN(const AccessKey key,
                     storage::InsertAccessKey(connection,
                                              {.id = id,
                                               .principal = wanted.principal(),
                                               .wrapped_secret = std::move(wrapped),
                                               .master_key = masters.current().id,
                                               .lifecycle_profile = wanted.lifecycle_profile(),
                                               .description = wanted.description(),
                                               .disabled = wanted.disabled()},
                                              backend_.access_key_limits));
    return ToProto(key);
  }

  absl::Status AddSecret(pb::AccessKey* response) {
    ASSIGN_OR_RETURN(const std::string id, AccessKeyId("name", response->name()));
    ASSIGN_OR_RETURN(const crypt::MasterKeys masters, LoadMasterKeys(backend_.master_key_file));
    ASSIGN_OR_RETURN(pg::Pool::Lease connection, backend_.mutator.pool().Acquire());
    ASSIGN_OR_RETURN(const AccessKey key, storage::GetAccessKey(*connection, id));
    ASSIGN_OR_RETURN(const crypt::Secret secret, UnwrapAccessSecret(masters, key));
    response->set_secret(secret.bytes());
    return absl::OkStatus();
  }

  Backend& backend_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeAccessKeyHandler(Backend& backend) {
  return std::make_unique<AccessKeyHandler>(backend);
}

}  // namespace godwit::registry
