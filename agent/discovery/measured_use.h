// What was measured, for the registry.
#pragma once

#include "agent/use/use_meter.h"
#include "godwit/registry/v1/source_server.pb.h"

namespace godwit::agent {

// Nothing without a sample. No figure is over what `properties` says of CPUs and memory: the
// registry takes nothing else.
void AddUse(const UseSummary& use, registry::v1::SourceProperties* properties);

}  // namespace godwit::agent
