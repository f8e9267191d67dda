// What is on a block device, from its first and last bytes. Pure; the bytes are hostile.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace godwit::convert {

struct Superblock {
  std::string type;   // "ext2", "ext3", "ext4", "xfs", "btrfs", "swap", "vfat", "ntfs",
                      // "bitlocker", "lvm", "luks", "md"; "" unknown
  std::string uuid;   // as /dev/disk/by-uuid has it; of "md" that of the array, as mdadm writes it
  std::string label;  // of "md" the name of the array
  std::uint64_t device_count = 1;  // "btrfs": devices of the file system, "md": of the array
  int level = 0;                   // "md"
  int minor = -1;                  // "md", metadata 0.90: the N of /dev/mdN
};

// Where a superblock of md may be at the end of a device of `size` bytes (metadata 1.0 and 0.90):
// the last 128 KiB hold both.
constexpr std::size_t kTailBytes = 131072;

// `head`: at least the first 128 KiB of the device (or all of it); `tail`: its last kTailBytes, ""
// when it is not looked at.
Superblock ParseSuperblock(absl::string_view head, absl::string_view tail = "",
                           std::uint64_t size = 0);

// One of ext2, ext3, ext4.
bool IsExt(absl::string_view type);
// A file system that a Linux system may lie on and this converter can write.
bool IsLinuxFileSystem(absl::string_view type);
// LVM, LUKS or md: something that volumes are made of.
bool IsContainer(absl::string_view type);

}  // namespace godwit::convert
