// Settings as people read them.
#pragma once

#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "cli/context.h"
#include "godwit/jobs/v1/launch.pb.h"
#include "godwit/registry/v1/settings.pb.h"

namespace godwit::cli {

// Which points are kept, in a line.
std::string RetentionText(const registry::v1::ReplicationSettings& settings);
void PrintReplicationSettings(const registry::v1::ReplicationSettings& settings, std::ostream& out);
void PrintLaunchSettings(const jobs::v1::LaunchSettings& settings, std::ostream& out);
// Both, or JSON, as the context says.
absl::Status PrintTemplate(Context& context, const registry::v1::SettingsTemplate& one);

}  // namespace godwit::cli
