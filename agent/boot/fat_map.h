// FAT volumes that are small enough to be part of the way to boot (EFI system partitions), mounted
// or not: all that is in use.
#pragma once

#include "agent/boot/picker.h"

namespace godwit::agent {

// Larger ones, and those that have more in use, hold data.
inline constexpr std::uint64_t kMaxFatBytes = std::uint64_t{2} << 30;
inline constexpr std::uint64_t kMaxUsedFatBytes = std::uint64_t{256} << 20;

// INVALID_ARGUMENT: it is no FAT volume, or one of data. `picker`'s limits as in its header.
absl::Status PickFat(Picker& picker, const Volume& volume);

}  // namespace godwit::agent
