// The smallest guest there is: a boot sector that writes a line to the first serial port and then
// rests or powers the machine off. Boots in about a second without any operating system's files.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace godwit::testing {

// kNoBoot: the disk lacks the mark of a boot sector, firmware finds nothing to start.
enum class TinyOsEnd { kRest, kPowerOff, kNoBoot };

// Makes a qcow2 disk of 1 MiB at `path` that boots it. `message` has at most 400 bytes.
absl::Status MakeTinyOsDisk(const std::string& path, absl::string_view message,
                            TinyOsEnd end = TinyOsEnd::kRest);

}  // namespace godwit::testing
