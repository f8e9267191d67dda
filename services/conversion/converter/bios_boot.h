// GRUB's way from a BIOS to its core image: the boot sector knows where the core lies, and the
// core's first sector where the rest of it lies (GRUB manual, "BIOS installation"). Pure.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace godwit::convert {

struct BiosBoot {
  std::string boot_sector;  // for sector 0; the disk's own signature and partitions are in it
  std::string core;         // for `core_start`, whole sectors
};

// `present`: sector 0 as it is. `boot_image` and `core_image`: boot.img and the output of
// grub-mkimage. INVALID_ARGUMENT: they are none; RESOURCE_EXHAUSTED: the core needs more than
// `room` sectors.
absl::StatusOr<BiosBoot> MakeBiosBoot(const std::string& present, const std::string& boot_image,
                                      const std::string& core_image, std::uint64_t core_start,
                                      std::uint64_t room);

}  // namespace godwit::convert
