// A source server as the MGN API shows it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/rpc/call.h"

namespace godwit::registry::v1 {
class SourceServer;
}
namespace godwit::replication::v1 {
class Replication;
}

namespace godwit::gateway::mgn {

// `replication` may be null: the coordinator does not know the server.
nlohmann::json SourceServerJson(const registry::v1::SourceServer& server,
                                const replication::v1::Replication* replication,
                                const Place& place);

// The server and its replication, asked for now: what verbs answer.
absl::StatusOr<nlohmann::json> ShowServer(const Call& call,
                                          const registry::v1::SourceServer& server);
absl::StatusOr<registry::v1::SourceServer> GetServer(const Call& call, const std::string& id);

}  // namespace godwit::gateway::mgn
