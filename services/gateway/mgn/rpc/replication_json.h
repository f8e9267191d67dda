// Data replication as the MGN API shows it.
#pragma once

#include "nlohmann/json.hpp"

namespace godwit::registry::v1 {
class SourceServer;
}
namespace godwit::replication::v1 {
class Replication;
}

namespace godwit::gateway::mgn {

// dataReplicationInfo. Stalls that MGN has no word for get the nearest one, and their own in
// rawError. `replication` may be null: never started, or forgotten.
nlohmann::json DataReplicationJson(const registry::v1::SourceServer& server,
                                   const replication::v1::Replication* replication);

}  // namespace godwit::gateway::mgn
