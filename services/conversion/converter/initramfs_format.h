// What an initramfs is made of: archives one after the other, of which the last ones may be
// compressed (Documentation/driver-api/early-userspace/buffer-format.rst). The bytes are hostile.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace godwit::convert {

enum class InitramfsFormat {
  kEmpty,
  kUnknown,  // nothing that the kernel unpacks
  kCpio,     // not compressed
  kLz4,      // the legacy frame that the kernel reads
  kCompressed,
};

// The format of what follows the uncompressed archives at the beginning (microcode).
InitramfsFormat FormatOf(absl::string_view image);

// An archive in LZ4's legacy frame, stored as it is. Kernels before 5.8 take whatever follows an
// LZ4 image for more of it: padding and another archive end in an error, another frame does not.
std::string Lz4Frame(absl::string_view archive);

}  // namespace godwit::convert
