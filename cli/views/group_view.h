// Applications and waves as people read them.
#pragma once

#include <iosfwd>

#include "godwit/registry/v1/fleet_service.pb.h"

namespace godwit::cli {

void PrintGroups(const registry::v1::ListApplicationsResponse& list, std::ostream& out);
void PrintGroups(const registry::v1::ListWavesResponse& list, std::ostream& out);
void PrintGroup(const registry::v1::Application& application, std::ostream& out);
void PrintGroup(const registry::v1::Wave& wave, std::ostream& out);

}  // namespace godwit::cli
