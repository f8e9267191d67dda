// What an agent may report about its source.
#pragma once

#include "absl/status/status.h"
#include "godwit/registry/v1/source_server.pb.h"

namespace godwit::registry {

// Ids of disks follow from the server's id, so an agent that enrols for the first time has none
// yet.
enum class DiskIds { kOptional, kRequired };

// INVALID_ARGUMENT names the field, for example "properties.disks[3].size_bytes".
absl::Status CheckProperties(const godwit::registry::v1::SourceProperties& properties,
                             DiskIds disk_ids);

}  // namespace godwit::registry
