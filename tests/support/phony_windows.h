// Windows guests made of nothing: folders and registry hives as Windows has them, without one file
// of Windows; and drivers with real .inf files around a few bytes of binary.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace godwit::testing {

struct PhonyWindows {
  const char* name;  // "win10-x64"
  const char* product_name;
  const char* installation_type;
  const char* edition;
  const char* current_version;  // "6.1", "6.3"
  int major, minor;             // of Windows 10 and later; 0: the hive has no such values
  int build;
  const char* architecture;  // "amd64", "x86"
};

// Windows 7 x86 and x64, 10, 11, Server 2008 R2, 2012 R2, 2016, 2019, 2022, 2025.
const std::vector<PhonyWindows>& PhonyWindowsGuests();
const PhonyWindows& PhonyWindowsGuest(const std::string& name);

// An empty registry hive, byte by byte.
std::string EmptyHive();
// Sets the sequence numbers of a hive (or a log) and its checksum.
std::string WithSequence(std::string hive, unsigned primary, unsigned secondary);

// Writes the guest's tree into `folder`: hives with VMware's tools, MountedDevices, a static
// address, drivers of Windows itself; a kernel of the right architecture.
absl::Status MakePhonyWindows(const PhonyWindows& guest, const std::string& folder);

// A collection as virtio-win has it: viostor, vioscsi (HDC and SCSI) and netkvm in
// NAME/VERSION/ARCHITECTURE, for w7, 2k8R2, 2k12R2, w10, w11, 2k16, 2k19, 2k22, 2k25.
absl::Status MakePhonyDrivers(const std::string& folder);

// The text of viostor's .inf for those decorations ("NTamd64.10.0"), with its version.
std::string PhonyInf(const std::string& service, const std::string& decoration,
                     const std::string& version);

}  // namespace godwit::testing
