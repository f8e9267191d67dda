// What ties a guest's volumes to the disks of the source beside fstab: crypttab, LVM's lists and
// filters, mdadm's configuration. Caches: machine_state.h.
#pragma once

#include "absl/status/status.h"
#include "services/conversion/converter/convert.h"

namespace godwit::convert {

// Edits or removes them. Runs before the initramfs images are changed: these get copies of what was
// edited (PinnedFilesForInitramfs).
absl::Status ConvertPinnedDevices(GuestRoot& root, const StableName& stable, Outcome* outcome);

// Files (path in the image, content) that replace an image's own copies of what is pinned; the same
// whenever it is asked after a conversion.
std::vector<std::pair<std::string, std::string>> PinnedFilesForInitramfs(const GuestRoot& root);

}  // namespace godwit::convert
