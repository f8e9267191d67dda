// Staging in a pool of a Ceph cluster. See docs/staging.md and docs/decisions/0008-rbd-store.md.
#pragma once

#include <memory>

#include "services/replication/worker/store/rbd/rbd_options.h"
#include "services/replication/worker/store/store.h"

namespace godwit::store {

// Opens the store in a pool (and namespace, which must be there), making it when there is none.
absl::StatusOr<std::unique_ptr<Store>> OpenRbdStore(const RbdOptions& options);

}  // namespace godwit::store
