// Adds drivers to the initramfs images of a guest without running anything of it: the kernel
// unpacks concatenated archives one after the other, and later files win.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/finding.h"
#include "services/conversion/converter/guest_root.h"
#include "services/conversion/converter/kernels.h"

namespace godwit::convert {

// What is appended to the kernel's initramfs: `modules` with all that they need, the indexes of the
// module tree, and the list of what to load.
absl::StatusOr<std::string> DriverArchive(const GuestRoot& root, const GuestKernel& kernel,
                                          const std::vector<std::string>& modules);

// `original` (an initramfs as the guest made it) with `archive` appended in the way that its format
// asks for. FAILED_PRECONDITION: nothing can be appended to it.
absl::StatusOr<std::string> AppendArchive(const std::string& original, const std::string& archive);

// Replaces the images of all kernels by ones with `modules`; the originals stay beside them. Doing
// it twice changes nothing. When /boot is short of room, only the default kernel and the newest
// other one are converted. Findings: NO_INITRAMFS, EMPTY_INITRAMFS, UNREADABLE_INITRAMFS,
// BOOT_SPACE. FAILED_PRECONDITION when there is not even room for the default kernel.
absl::Status ConvertInitramfsImages(GuestRoot& root, const std::vector<GuestKernel>& kernels,
                                    const std::vector<std::string>& modules, Findings* findings);

}  // namespace godwit::convert
