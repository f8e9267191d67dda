// Makes the disk of an overlay larger; the point below it stays as it is.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "services/common/crypt/qemu_image.h"

namespace godwit::conversion {

// RESOURCE_EXHAUSTED: more than 1 GiB would be added, which no conversion needs.
absl::Status GrowDisk(crypt::QemuImage& image, std::uint64_t bytes);

}  // namespace godwit::conversion
