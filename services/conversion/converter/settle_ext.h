// Takes out of an ext2, ext3 or ext4 file system what the kernel writes as chance has it: times,
// inode generations, the journal. Two conversions of one volume then leave the same bytes.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace godwit::convert {

// Of a volume before it is changed.
struct ExtState {
  std::int64_t newest = 0;        // seconds: the last change of any of its inodes, not after `now`
  std::uint64_t kib_written = 0;  // as the superblock counts
};

// Seconds: the last time that its superblock knows of.
absl::StatusOr<std::int64_t> LastUseOfExt(const std::string& device);

// RESOURCE_EXHAUSTED: it has more than four million files, which would take too long.
// FAILED_PRECONDITION: it cannot be read.
absl::StatusOr<ExtState> LookAtExt(const std::string& device, std::int64_t now);

// Every time from `first` to `last` (seconds) becomes `stamp`, for inodes and for the superblock;
// inodes made in that span get a generation that depends on their number alone; the journal, which
// must be empty of work, is filled with zeros. Not mounted meanwhile, and clean.
absl::Status SettleExt(const std::string& device, const ExtState& before, std::int64_t first,
                       std::int64_t last, std::int64_t stamp);

}  // namespace godwit::convert
