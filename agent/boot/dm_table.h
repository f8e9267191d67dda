// Linear device-mapper devices: which bytes of which devices they are.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::agent {

struct LinearPart {
  std::uint64_t first = 0, size = 0;  // bytes of the device
  std::string device;                 // "major:minor"
  std::uint64_t at = 0;               // of it
};

// Of a buffer that DM_TABLE_STATUS (with the table asked for) filled. Pure. UNIMPLEMENTED: a target
// that is not linear; INVALID_ARGUMENT: it is no such buffer.
absl::StatusOr<std::vector<LinearPart>> ParseLinear(absl::string_view answer);

// Asks the kernel for the device "major:minor". UNAVAILABLE: no device-mapper here.
absl::StatusOr<std::vector<LinearPart>> LinearParts(const std::string& device);

}  // namespace godwit::agent
