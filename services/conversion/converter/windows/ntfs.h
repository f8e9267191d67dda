// State of an NTFS volume, from its own records. Pure; the bytes are hostile.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace godwit::convert::windows {

// Reads up to `size` bytes at `offset` of the volume; shorter at its end.
using ReadAt = std::function<absl::StatusOr<std::string>(std::uint64_t offset, std::size_t size)>;

// Whether Windows marked the volume for a check (chkdsk): the flag in its $Volume file.
// INVALID_ARGUMENT when it is no NTFS or its records cannot be read.
absl::StatusOr<bool> IsMarkedForCheck(const ReadAt& read);

}  // namespace godwit::convert::windows
