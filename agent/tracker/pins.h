// What trackers leave in bpffs, looked at from outside of them.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace godwit::agent {

// Ends the tracking of one disk: whoever tracks it next knows nothing of its blocks. Also when
// nothing tracks it.
absl::Status RemovePins(const std::string& disk_id);

// What made a comparison of the whole disk necessary since its tracking began, for people; "" when
// nothing did or nothing is pinned.
std::string LossesOf(const std::string& disk_id);

}  // namespace godwit::agent
