// Templates: one here holds replication and launch settings, the MGN API has a template for each.
// Pure; thread-safe. Decision 0032.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace godwit::gateway::mgn {

enum class Half { kReplication, kLaunch };

// "settingsTemplates/..." -> "rct-..." or "lct-...": always the same. One that was made through the
// MGN API has its id there as its id here.
std::string TemplateId(Half half, absl::string_view name);
// Whether the MGN API shows this half of the template: one that it made has one half, all others
// have both.
bool HasHalf(Half half, absl::string_view name);
// The type in ARNs: "replication-configuration-template" or "launch-configuration-template".
absl::string_view TemplateArnType(Half half);
// Names a template in errors, so that errors.h knows the type: "launchTemplates/lct-...".
std::string TemplateLabel(Half half, absl::string_view id);

}  // namespace godwit::gateway::mgn
