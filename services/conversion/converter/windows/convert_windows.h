// The conversion of the file tree of one Windows guest: inspect, drivers, services, first boot.
// Offline: nothing of the guest runs. Disks keep their signatures, partitions their GUIDs and
// MountedDevices its entries, so drive letters stay.
#pragma once

#include <optional>
#include <string>

#include "services/conversion/converter/convert.h"
#include "services/conversion/converter/windows/options.h"

namespace godwit::convert::windows {

// What the operator gave: folders, nullopt without.
struct Supplies {
  std::optional<GuestRoot> drivers, scripts;
};

// A reason not to convert: a finding. A plan goes on; a conversion ends with FAILED_PRECONDITION,
// before anything is written.
absl::Status Refuse(const Job& job, const Finding& finding, Outcome* outcome);

// Edits the tree at `root`. Without the driver of the target's disks the conversion is refused
// (NO_DISK_DRIVER), with a registry that is not whole, too (UNCLEAN_REGISTRY).
absl::Status ConvertWindowsTree(GuestRoot& root, const Job& job, const Supplies& supplies,
                                Outcome* outcome, const Progress& progress);

}  // namespace godwit::convert::windows
