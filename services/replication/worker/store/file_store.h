// Staging in a folder of a local (or shared) file system: store_id, groups/{server}/. See
// docs/decisions/0001-append-only-qcow2-layers.md.
#pragma once

#include <memory>
#include <string>

#include "services/replication/worker/store/store.h"

namespace godwit::store {

// Opens the store in `folder`, making it when the folder is empty or missing.
// `master_key_file`: for encrypted groups; empty: it has none and opens none.
absl::StatusOr<std::unique_ptr<Store>> OpenFileStore(const std::string& folder,
                                                     const std::string& master_key_file = "");

}  // namespace godwit::store
