// Replication settings as the MGN API sees them, of servers and of templates. Which members have an
// effect: docs/gateway.md. Pure; thread-safe.
#pragma once

#include "absl/status/status.h"
#include "godwit/registry/v1/settings.pb.h"
#include "godwit/registry/v1/source_server.pb.h"
#include "nlohmann/json.hpp"
#include "services/gateway/mgn/model/shape.h"

namespace godwit::gateway::mgn {

// The fields of settings that ReadReplication() and ReadDisks() change.
inline constexpr const char* kReplicationFields[] = {"bandwidth_limit_bytes_per_second",
                                                     "encrypt_staging", "staging_tags", "notes"};

// Changes `settings` as the members of a request say; what is not there stays. INVALID_ARGUMENT
// names the member.
absl::Status ReadReplication(const nlohmann::json& input,
                             registry::v1::ReplicationSettings* settings);
// The same for the disks of a server. INVALID_ARGUMENT: it has no such disk.
absl::Status ReadDisks(const nlohmann::json& input,
                       const registry::v1::SourceProperties& properties,
                       registry::v1::ReplicationSettings* settings);

// The members of the structure `shape`.
nlohmann::json ReplicationJson(const registry::v1::ReplicationSettings& settings,
                               const Shape& shape);
// The disks that are replicated.
nlohmann::json DisksJson(const registry::v1::SourceProperties& properties,
                         const registry::v1::ReplicationSettings& settings);

}  // namespace godwit::gateway::mgn
