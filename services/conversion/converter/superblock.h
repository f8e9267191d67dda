// What is on a block device, from its first bytes. Pure; the bytes are hostile.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace godwit::convert {

struct Superblock {
  std::string type;  // "ext4" (also ext2 and ext3), "xfs", "swap", "vfat", "lvm", "luks", "md",
                     // "ntfs", "bitlocker"; "" unknown
  std::string uuid;  // as /dev/disk/by-uuid has it
  std::string label;
};

// `head`: at least the first 128 KiB of the device (or all of it).
Superblock ParseSuperblock(absl::string_view head);

}  // namespace godwit::convert
