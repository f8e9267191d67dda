// Partitions that a change of the boot mode needs, added to the table of the boot disk. Those that
// are there keep their place and their GUIDs.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/conversion/converter/guest_root.h"
#include "services/conversion/converter/partition_table.h"

namespace godwit::convert {

absl::StatusOr<std::string> ReadSectors(const std::string& disk, std::uint64_t start,
                                        std::uint64_t count);
absl::Status WriteSectors(const std::string& disk, std::uint64_t start, const std::string& bytes);

// The table of a disk. *head, when asked for: its first 64 KiB, or all of it.
absl::StatusOr<PartitionTable> ReadPartitionTable(const std::string& disk, std::string* head);

// Sectors at the start of a disk that hold the table and the boot code.
std::uint64_t TableSectors(const PartitionTable& table);

// Digits for GUIDs and serial numbers, 32 of them, that a second conversion of the same disk makes
// again. `head`: of the disk as it was.
std::string StableHex(const std::string& head, const std::string& what);

struct NewPartition {
  Place place;
  std::string what;      // seeds its GUID
  std::string gpt_type;  // as sfdisk names it
  std::string mbr_type;  // empty: only for a GPT
  std::string name;      // on a GPT
};

// Its number. It is in the table on the disk; the kernel does not know it.
absl::StatusOr<int> AddPartition(const std::string& disk, const NewPartition& partition);

// Records that the first sectors of `disk` are other ones than those of `head`.
absl::Status RecordSectors(const std::string& step, const std::string& disk, absl::string_view head,
                           std::uint64_t sectors, const std::string& summary, GuestRoot& root);

}  // namespace godwit::convert
