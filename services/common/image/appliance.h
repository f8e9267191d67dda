// A machine as one file for other hypervisors: OVA.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "services/common/image/files.h"
#include "services/common/image/ovf.h"

namespace godwit::image {

// Packs the images machine.disks[].file of `folder` as the tar `archive`: first the description
// <machine.name>.ovf, then the manifest <machine.name>.mf with SHA-256 sums, then the images. Both
// texts are left in `folder`, as are the images. file_bytes are looked up. A partial archive is
// removed.
absl::Status PackAppliance(const std::string& folder, OvfMachine machine,
                           const std::string& archive, const Check& check = nullptr);

}  // namespace godwit::image
