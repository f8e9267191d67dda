// The conversion of the disks of one guest: its volumes are found, checked and mounted, its tree is
// converted.
#pragma once

#include <string>

#include "services/conversion/converter/convert.h"

namespace godwit::convert {

// Finds the guest's root among the volumes, mounts what its fstab mounts below it at `where`,
// converts and unmounts.
absl::Status ConvertDisks(const Job& job, const std::string& where, Outcome* outcome,
                          const Progress& progress);

}  // namespace godwit::convert
