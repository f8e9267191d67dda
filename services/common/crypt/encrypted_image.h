// New encrypted qcow2 images. qemu-img could make them as well, but it measures the processor for
// each one to choose a number of iterations, which takes seconds and fails on a busy host.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "services/common/crypt/group_key.h"

namespace godwit::crypt {

// Makes `path` an empty image of `disk_bytes` with LUKS encryption, whose passphrase is that of
// `group`; over the qcow2 file `backing` when that is not empty. ALREADY_EXISTS: there is a file.
absl::Status CreateEncryptedImage(const std::string& path, std::uint64_t disk_bytes,
                                  const std::string& backing, const GroupKey& group);

}  // namespace godwit::crypt
