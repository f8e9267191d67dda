// Whether a group is encrypted, and the key when it is.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "services/common/crypt/group_key.h"

namespace godwit::store {

// Of the group in `folder`; null: it is not encrypted. `encrypt`: one that holds nothing yet is
// from now on. The key file is read every time, so a rotated one needs no restart.
// FAILED_PRECONDITION: no master key, or content that is not encrypted.
absl::StatusOr<crypt::GroupKeyPtr> TakeGroupKey(const std::string& folder,
                                                const std::string& key_file, bool encrypt);

}  // namespace godwit::store
