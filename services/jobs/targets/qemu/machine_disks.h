// The disk files of machines: qcow2 overlays on clones, encrypted when what lies below is.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/crypt/qemu_image.h"

namespace godwit::jobs {

// Makes `path` an empty overlay on the image `base`. On an encrypted one it is encrypted with the
// same group's key, which is put beside it: the machine outlives the replica.
absl::Status MakeOverlay(const std::string& base, const std::string& path,
                         const std::string& master_key_file);

// Makes `path` independent of its backing chain, by a copy.
absl::Status CopyChain(const std::string& path, const std::string& master_key_file,
                       absl::Duration timeout, const std::function<absl::Status()>& check);

// How QEMU opens the disks of a machine. The descriptors live as long as this object.
struct OpenDisks {
  std::vector<std::string> blockdevs;  // JSON of each disk; empty: it is not encrypted
  std::vector<std::string> arguments;  // "-object", "secret,...", ...
  std::vector<int> fds;                // to be inherited
  std::vector<crypt::QemuImage> images;
};
absl::StatusOr<OpenDisks> OpenDiskFiles(const std::vector<std::string>& paths,
                                        const std::string& master_key_file);

}  // namespace godwit::jobs
