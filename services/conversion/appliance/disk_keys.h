// The keys of disks that servers encrypt themselves, as an operator lays them down.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "services/conversion/converter/cpio.h"

namespace godwit::conversion {

// Adds keys/NAME.key of the folder to a job; NAME is a LUKS UUID or "default", other files are left
// out. The bytes are the key: no newline is taken away. "": nothing. NOT_FOUND: no such folder;
// FAILED_PRECONDITION: others than the owner may read a key, or it is longer than 8 KiB, or there
// are more than 256.
absl::Status AddDiskKeys(const std::string& folder, convert::CpioWriter* job);

}  // namespace godwit::conversion
