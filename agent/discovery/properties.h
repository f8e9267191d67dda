// What the registry wants to know of this machine.
#pragma once

#include <string>
#include <vector>

#include "agent/discovery/disk_plan.h"
#include "godwit/registry/v1/source_server.pb.h"

namespace godwit::agent {

registry::v1::SourceProperties Discover(const std::vector<ReportedDisk>& disks);

}  // namespace godwit::agent
