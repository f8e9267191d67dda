// Takes the times of a conversion out of a FAT file system (12, 16, 32), like settle_ext.h.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace godwit::convert {

// Every entry of a folder, deleted ones too, that was made or written from `first` to `last`
// (seconds, UTC) gets the time `stamp`. Not mounted meanwhile. FAILED_PRECONDITION: it is no FAT
// that can be followed; at most 4096 folders and 64 MiB of them are.
absl::Status SettleFat(const std::string& device, std::int64_t first, std::int64_t last,
                       std::int64_t stamp);

}  // namespace godwit::convert
