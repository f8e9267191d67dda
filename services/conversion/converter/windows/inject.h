// Makes a guest use drivers that it has never met hardware for.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "services/conversion/converter/windows/drivers.h"
#include "services/conversion/converter/windows/guest.h"

namespace godwit::convert::windows {

// Where packages lie in the guest, a folder each, below the system root.
inline constexpr char kDriverFolder[] = "Drivers/Godwit";

// The package's files go into the guest and its folder into DevicePath, where plug and play looks.
// A driver of disks also becomes a service that starts with the loader, bound to its devices
// (DriverDatabase since Windows 8, CriticalDeviceDatabase before), because at the first boot
// nothing else can read the disk.
absl::Status InjectDriver(Guest& guest, const DriverPackage& package);

// Drivers of Windows itself for disks of other platforms (AHCI, NVMe, IDE, Hyper-V, LSI) start with
// the loader, those that are there.
absl::Status StartOwnDiskDrivers(Guest& guest);

// Whether a driver of that service starts at boot in all control sets.
bool StartsAtBoot(const Guest& guest, const std::string& service);

}  // namespace godwit::convert::windows
