// What the operator gives to conversions of Windows guests: drivers and scripts, as one read-only
// disk for the appliance (docs/decisions/0015-windows-supplies.md).
#pragma once

#include <string>

#include "absl/status/status.h"

namespace godwit::conversion {

// The serial number by which the appliance finds the disk.
inline constexpr char kSuppliesSerial[] = "godwit-supplies";

// Folders; "" without.
struct SuppliesOptions {
  std::string drivers, scripts;
  bool empty() const { return drivers.empty() && scripts.empty(); }
};

// Writes the image of an ext4 file system with "drivers" (of the folder, only what driver packages
// consist of: .inf .sys .cat .dll .exe .bin) and "firstboot" to `image`; `work_folder` is used
// meanwhile. INVALID_ARGUMENT: no such folder. RESOURCE_EXHAUSTED: more than 1 GiB or 20000 files.
absl::Status MakeSupplies(const SuppliesOptions& options, const std::string& work_folder,
                          const std::string& image);

}  // namespace godwit::conversion
