// Partition tables, as far as booting depends on them. Pure; the bytes are hostile: counts and
// sizes are bounded, and chains of extended partitions are not followed (the kernel does that, with
// limits of its own).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace godwit::convert {

inline constexpr std::uint64_t kSectorBytes = 512;

struct Partition {
  int number = 0;
  std::uint64_t start = 0, sectors = 0;
  bool is_esp = false;        // EFI system partition
  bool is_bios_boot = false;  // where GRUB's core lies on a GPT disk
};

// What a partition is called.
struct PartitionId {
  std::string uuid;   // as PARTUUID= has it
  std::string label;  // PARTLABEL=, GPT only; printable ASCII, other characters are '_'
  std::string type;   // GPT: the type's GUID in lower case; MBR: two hex digits, "" logical ones
};

struct PartitionTable {
  enum class Kind { kNone, kMbr, kGpt };
  Kind kind = Kind::kNone;
  std::vector<Partition> partitions;  // those that lie on the disk; primary ones on MBR
  // By number, at most 128, wherever they lie. On MBR logical ones (5 and up) have the ids that the
  // kernel would give them, whether they are there or not.
  std::map<int, PartitionId> ids;
  bool has_boot_code = false;  // the first sector holds a program
  std::uint64_t disk_sectors = 0;
  // End of the last partition; where the first one begins.
  std::uint64_t used_end = 0, first_start = 0;
  std::uint64_t usable_start = 0;  // of a GPT
  std::uint64_t usable_end = 0;    // first sector that no partition may have
  bool has_free_entry = false;
};

// Enough of a disk for ParsePartitionTable: a GPT has 128 entries behind its header.
inline constexpr std::size_t kPartitionTableBytes = 65536;

// `head`: the first kPartitionTableBytes of a disk with sectors of 512 bytes (or all of it).
PartitionTable ParsePartitionTable(absl::string_view head, std::uint64_t disk_sectors);

// The EFI system partition, by its type.
bool IsEfiSystemPartition(absl::string_view type);

// Where a partition of `sectors` fits behind all others, aligned to 1 MiB; 0: it does not.
std::uint64_t PlaceBehind(const PartitionTable& table, std::uint64_t sectors);
// The size in bytes that the disk must have for that.
std::uint64_t BytesNeeded(const PartitionTable& table, std::uint64_t sectors);

struct Place {
  std::uint64_t start = 0, sectors = 0;  // none: no room
};
// Where a "BIOS boot" partition of at least `least` sectors fits on a GPT disk: before the first
// partition, as installers place it, or else 1 MiB behind all others.
Place PlaceBiosBoot(const PartitionTable& table, std::uint64_t least);

}  // namespace godwit::convert
