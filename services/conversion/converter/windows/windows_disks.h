// The conversion of the disks of one Windows guest: its volume is found, its state is checked, it
// is mounted (NTFS, through FUSE) and its tree converted.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "services/conversion/converter/convert.h"

namespace godwit::convert::windows {

// False when no volume is Windows' (or may be, behind BitLocker). FAILED_PRECONDITION, each with a
// finding and what to do: the volume is encrypted, was not closed in order, is marked for a check,
// or holds a hibernated system (fast startup, too).
absl::StatusOr<bool> ConvertWindowsDisks(const Job& job, const std::string& where, Outcome* outcome,
                                         const Progress& progress);

}  // namespace godwit::convert::windows
