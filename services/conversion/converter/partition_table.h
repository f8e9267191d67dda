// Partition tables, as far as booting depends on them. Pure; the bytes are hostile: counts and
// sizes are bounded, and chains of extended partitions are not followed (the kernel does that, with
// limits of its own).
#pragma once

#include <cstdint>
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

struct PartitionTable {
  enum class Kind { kNone, kMbr, kGpt };
  Kind kind = Kind::kNone;
  std::vector<Partition> partitions;  // primary ones on MBR
  bool has_boot_code = false;         // the first sector holds a program
  std::uint64_t disk_sectors = 0;
  // End of the last partition; where the first one begins.
  std::uint64_t used_end = 0, first_start = 0;
  std::uint64_t usable_start = 0;  // of a GPT
  std::uint64_t usable_end = 0;    // first sector that no partition may have
  bool has_free_entry = false;
};

// `head`: the first 64 KiB of the disk (or all of it).
PartitionTable ParsePartitionTable(absl::string_view head, std::uint64_t disk_sectors);

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
