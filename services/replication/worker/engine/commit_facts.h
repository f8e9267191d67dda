// What an agent says of an epoch, checked: agents are not trusted.
#pragma once

#include "absl/status/statusor.h"
#include "godwit/replication/v1/block_stream.pb.h"
#include "services/replication/worker/store/store.h"

namespace godwit::worker {

// Without what the store sets. INVALID_ARGUMENT names the field.
absl::StatusOr<store::PointFacts> FactsOf(const replication::v1::EpochCommit& commit);

}  // namespace godwit::worker
