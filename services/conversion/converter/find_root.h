// Finds the Linux system on the opened volumes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/convert.h"
#include "services/conversion/converter/guest_mounts.h"

namespace godwit::convert {

// Mounts each file system read-only at `where`, looks, and unmounts it. nullopt: there is none.
// When there are several, a finding SEVERAL_SYSTEMS says which one was taken and why. Nothing is
// mounted afterwards.
absl::StatusOr<std::optional<GuestMount>> FindRoot(const std::string& where,
                                                   std::vector<Volume>* volumes, bool complete,
                                                   Outcome* outcome);

}  // namespace godwit::convert
