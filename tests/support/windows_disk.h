// A phony Windows on a real disk: a partition table, one NTFS volume.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace godwit::testing {

// Writes the tree of `folder` into a new raw image `disk`: MBR with the signature 0x12345678, one
// NTFS volume from 1 MiB on, and behind it a system partition for UEFI with Windows' loader (and
// nothing at the path that firmware looks at by itself). Needs root and /dev/fuse. `work`: a folder
// for the time being.
absl::Status MakeNtfsDisk(const std::string& folder, const std::string& work,
                          const std::string& disk);

// The security descriptor that MakeNtfsDisk gives "Windows/System32/config/SYSTEM": for SYSTEM
// alone.
std::string SystemOnly();
// Of a file on the volume that ReadNtfsDisk read last.
absl::StatusOr<std::string> RightsOf(const std::string& work, const std::string& path);

// Copies what is on the NTFS volume of the qcow2 or raw image `disk` into `folder`, and the system
// partition into its folder "esp".
absl::Status ReadNtfsDisk(const std::string& disk, const std::string& work,
                          const std::string& folder);

}  // namespace godwit::testing
