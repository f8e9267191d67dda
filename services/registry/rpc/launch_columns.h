// Launch settings as columns of an inventory. Pure.
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "godwit/jobs/v1/launch.pb.h"

namespace godwit::registry {

bool IsLaunchColumn(absl::string_view name);

// Sets what the column means; kResetValue clears it. INVALID_ARGUMENT "COLUMN: ..." when the cell
// is none of the column's values. Whether the settings as a whole hold is CheckLaunchSettings'.
absl::Status SetLaunchColumn(absl::string_view name, const std::string& cell,
                             godwit::jobs::v1::LaunchSettings* settings);

// What SetLaunchColumn makes the same settings of; unset ones are left out.
std::map<std::string, std::string> LaunchColumns(const godwit::jobs::v1::LaunchSettings& settings);

}  // namespace godwit::registry
