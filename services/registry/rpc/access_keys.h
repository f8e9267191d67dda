// What the handlers of access keys do with them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "godwit/registry/v1/access_key_service.pb.h"
#include "services/common/pg/pool.h"
#include "services/registry/domain/access_key.h"

namespace godwit::registry {

// The message without its secret.
godwit::registry::v1::AccessKey ToProto(const AccessKey& key);
// "accessKeys/GWAK..." -> the id; INVALID_ARGUMENT names `field`.
absl::StatusOr<std::string> AccessKeyId(absl::string_view field, absl::string_view name);

absl::Status CheckCreateAccessKey(const godwit::registry::v1::CreateAccessKeyRequest& request);
absl::Status CheckUpdateAccessKey(const godwit::registry::v1::UpdateAccessKeyRequest& request);
absl::Status CheckGetSigningKey(const godwit::registry::v1::GetSigningKeyRequest& request,
                                absl::Time now);

// The keys of `path`, read now, so that a rotation needs no restart. FAILED_PRECONDITION: no file
// was given, or it cannot be used.
absl::StatusOr<crypt::MasterKeys> LoadMasterKeys(const std::string& path);

// Wraps every secret by the present master key that an older one of the file wraps. Gives how many.
absl::StatusOr<int> RewrapAccessKeys(pg::Pool& pool, const crypt::MasterKeys& keys);

}  // namespace godwit::registry
