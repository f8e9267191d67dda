// Chooses the kind of staging store by its name.
#pragma once

#include <memory>
#include <string>

#include "services/replication/worker/store/rbd/rbd_options.h"
#include "services/replication/worker/store/store.h"

namespace godwit::store {

// `name`: a folder, or rbd:POOL[/NAMESPACE] with the rest of `rbd`. `master_key_file`: for
// encrypted groups in folders; may be empty. INVALID_ARGUMENT when something lacks.
absl::StatusOr<std::unique_ptr<Store>> OpenStore(const std::string& name, RbdOptions rbd,
                                                 const std::string& master_key_file = "");

}  // namespace godwit::store
