// The first block of a registry hive ("regf") and of its logs: whether the file is whole. Pure; the
// bytes are hostile.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::convert::windows {

struct RegfHeader {
  // Equal when the last write of the hive was complete.
  std::uint32_t primary_sequence = 0, secondary_sequence = 0;
  std::uint32_t major = 0, minor = 0;
  // Offset of the root key, and size of all bins, both counted from byte 4096.
  std::uint32_t root_offset = 0, bins_bytes = 0;
  bool checksum_matches = false;
};

// INVALID_ARGUMENT when `head` (at least the first 512 bytes) is no hive.
absl::StatusOr<RegfHeader> ParseRegfHeader(absl::string_view head);

// What stands in a log of a hive, "" when nothing does.
struct HiveLog {
  std::string name;  // for messages, for example "SYSTEM.LOG1"
  std::string head;  // its first 4 KiB, or less
};

// OK: everything that was written to the hive is in it. FAILED_PRECONDITION: something is in its
// logs alone, or it was being written. INVALID_ARGUMENT: it is no hive.
// `name`: for messages. `bytes`: the whole hive.
absl::Status CheckHiveIsWhole(const std::string& name, absl::string_view bytes, const HiveLog& log1,
                              const HiveLog& log2);

}  // namespace godwit::convert::windows
