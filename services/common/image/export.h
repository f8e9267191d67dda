// Disk images of a staging store written in other formats, by qemu-img. What is written hangs on
// nothing, is not encrypted, and is proved to be what was to be written.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/common/image/files.h"
#include "services/common/image/formats.h"

namespace godwit::image {

struct CopyOptions {
  std::string master_key_file;               // for encrypted images; may be empty
  absl::Duration timeout = absl::Hours(24);  // of each run of qemu-img
  Check check;                               // asked several times a second
  // Hears now and then which part is done, 0 to 1; may be null.
  std::function<void(double)> progress;
};

// Writes what the qcow2 image `from` and its chain hold as one image at `to`. A partial `to` is
// removed. FAILED_PRECONDITION: qemu-img or the key is missing. RESOURCE_EXHAUSTED: no space.
absl::Status CopyImage(const std::string& from, const std::string& to, const ImageFormat& format,
                       const CopyOptions& options);

// The same, then `qemu-img check` where that knows the format, and a comparison of all bytes.
// Progress counts writing and comparing as one half each.
absl::Status ExportImage(const std::string& from, const std::string& to, const ImageFormat& format,
                         const CopyOptions& options);

// At most about so many bytes of a file system that knows holes are needed for an image of `from`,
// in any format.
absl::StatusOr<std::int64_t> BytesNeeded(const std::string& from, const CopyOptions& options);

}  // namespace godwit::image
