// Backing chains of disk images, by qemu-img.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace godwit::jobs {

// Whether the qcow2 image still has a backing file. A running machine may have it open.
absl::StatusOr<bool> HasBacking(const std::string& path);

}  // namespace godwit::jobs
