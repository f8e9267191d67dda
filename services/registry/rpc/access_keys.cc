#include "services/registry/rpc/access_keys.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "services/common/base/json_log.h"
#include "services/common/base/status_macros.h"
#include "services/common/rpc/serve.h"
#include "services/registry/rpc/convert.h"
#include "services/registry/rpc/fields.h"
#include "services/registry/rpc/settings_rules.h"
#include "services/registry/storage/access_key_store.h"

namespace godwit::registry {
namespace {

constexpr std::size_t kMaxDescription = 256;
constexpr int kRewrapBatch = 100;

absl::Status CheckContent(const pb::AccessKey& key) {
  RETURN_IF_ERROR(CheckText("access_key.description", key.description(), 0, kMaxDescription));
  if (!pb::AccessKey::LifecycleProfile_IsValid(key.lifecycle_profile())) {
    return rpc::FieldError("access_key.lifecycle_profile", "is not known");
  }
  return absl::OkStatus();
}

}  // namespace

pb::AccessKey ToProto(const AccessKey& key) {
  pb::AccessKey out;
  out.set_name(absl::StrCat("accessKeys/", key.id));
  out.set_principal(key.principal);
  out.set_lifecycle_profile(static_cast<pb::AccessKey::LifecycleProfile>(key.lifecycle_profile));
  out.set_description(key.description);
  out.set_disabled(key.disabled);
  SetTime(key.create_time, out.mutable_create_time());
  if (key.last_use_time) SetTime(*key.last_use_time, out.mutable_last_use_time());
  out.set_etag(Etag(key.version));
  return out;
}

absl::StatusOr<std::string> AccessKeyId(absl::string_view field, absl::string_view name) {
  absl::string_view id = name;
  if (absl::ConsumePrefix(&id, "accessKeys/") && IsAccessKeyId(id)) return std::string(id);
  return rpc::FieldError(field, "must be accessKeys/GWAK and 16 characters of A-Z and 2-7");
}

absl::Status CheckCreateAccessKey(const pb::CreateAccessKeyRequest& request) {
  RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  const pb::AccessKey& key = request.access_key();
  const absl::StatusOr<rpc::Identity> principal = rpc::ParsePrincipal(key.principal());
  if (!principal.ok() || principal->kind != rpc::PeerKind::kUser) {
    return rpc::FieldError("access_key.principal", "must be user/ROLE/NAME");
  }
  return CheckContent(key);
}

absl::Status CheckUpdateAccessKey(const pb::UpdateAccessKeyRequest& request) {
  RETURN_IF_ERROR(AccessKeyId("access_key.name", request.access_key().name()));
  RETURN_IF_ERROR(CheckMask(*pb::AccessKey::descriptor(), request.update_mask()));
  for (const std::string& path : request.update_mask().paths()) {
    if (path != "disabled" && path != "description" && path != "lifecycle_profile") {
      return rpc::FieldError(
          "update_mask", absl::StrCat("\"", path,
                                      "\": only disabled, description and lifecycle_profile can be "
                                      "set"));
    }
  }
  return CheckContent(request.access_key());
}

absl::Status CheckGetSigningKey(const pb::GetSigningKeyRequest& request, absl::Time now) {
  RETURN_IF_ERROR(AccessKeyId("name", request.name()));
  if (!IsSigningDate(request.date(), now)) {
    return rpc::FieldError("date", "must be YYYYMMDD within two days of now");
  }
  if (!IsScopeWord(request.region())) {
    return rpc::FieldError("region", "must be 1 to 64 characters of a-z, 0-9 and dash");
  }
  if (!IsScopeWord(request.service())) {
    return rpc::FieldError("service", "must be 1 to 64 characters of a-z, 0-9 and dash");
  }
  return absl::OkStatus();
}

absl::StatusOr<crypt::MasterKeys> LoadMasterKeys(const std::string& path) {
  if (path.empty()) {
    return rpc::WithInfo(
        absl::FailedPreconditionError(
            "the registry has no master key file to keep secrets with (--master-key-file)"),
        {.reason = "NO_MASTER_KEY", .domain = "registry"});
  }
  absl::StatusOr<crypt::MasterKeys> keys = crypt::MasterKeys::Load(path);
  if (keys.ok()) return keys;
  return rpc::WithInfo(absl::FailedPreconditionError(keys.status().message()),
                       {.reason = "NO_MASTER_KEY", .domain = "registry"});
}

absl::StatusOr<int> RewrapAccessKeys(pg::Pool& pool, const crypt::MasterKeys& keys) {
  int done = 0;
  while (true) {
    int batch = 0;
    RETURN_IF_ERROR(pool.InTransaction([&](pg::Transaction& transaction) -> absl::Status {
      batch = 0;
      pg::Connection& connection = transaction.connection();
      ASSIGN_OR_RETURN(
          const std::vector<AccessKey> old,
          storage::AccessKeysNotWrappedBy(connection, keys.current().id, kRewrapBatch));
      for (const AccessKey& found : old) {
        absl::StatusOr<AccessKey> key = storage::LockAccessKey(connection, found.id);
        if (absl::IsNotFound(key.status())) continue;  // deleted meanwhile
        RETURN_IF_ERROR(key);
        const absl::StatusOr<crypt::Secret> secret = UnwrapAccessSecret(keys, *key);
        if (!secret.ok()) {  // it cannot be used until its master key is back
          Log(Severity::kWarning, "access key not wrapped anew",
              {{"access_key", key->id}, {"error", secret.status().ToString()}});
          continue;
        }
        ASSIGN_OR_RETURN(key->wrapped_secret, WrapAccessSecret(keys.current(), key->id, *secret));
        key->master_key = keys.current().id;
        RETURN_IF_ERROR(storage::SaveAccessKey(connection, *key));
        ++batch;
      }
      return absl::OkStatus();
    }));
    done += batch;
    if (batch < kRewrapBatch) return done;
  }
}

}  // namespace godwit::registry
