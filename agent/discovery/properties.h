// What the registry wants to know of this machine.
#pragma once

#include <string>
#include <vector>

#include "agent/discovery/disks.h"
#include "godwit/registry/v1/source_server.pb.h"

namespace godwit::agent {

struct ReportedDisk {
  FoundDisk disk;
  std::string disk_id;
  bool replicated = false;
  std::string tracker;  // may be empty
};

registry::v1::SourceProperties Discover(const std::vector<ReportedDisk>& disks);

}  // namespace godwit::agent
