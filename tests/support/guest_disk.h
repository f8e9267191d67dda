// Disks of machines that boot, or do not, each in its own way: a small guest with a real kernel
// (tests/support/images/guest) and the mini Debian (tests/support/images/mini) with files changed.
#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace godwit::testing {

// What the small guest is made to do.
struct SmallGuest {
  std::string does;                         // words of tests/support/images/guest/init.sh
  std::string arguments = "console=ttyS0";  // of the kernel, besides
  bool initrd = true;                       // false: the kernel finds no root
  bool menu = true;                         // false: GRUB finds no configuration
};
// Makes a qcow2 disk at `path`. The first one takes a while: its parts are built once and cached.
absl::Status MakeSmallGuest(const SmallGuest& guest, const std::string& path);
// The guest's host key, as in known_hosts behind the name.
absl::StatusOr<std::string> SmallGuestHostKey();
// The private key that it lets in, as root.
absl::StatusOr<std::string> SmallGuestLoginKey();

// The mini Debian's root as every hardware knows it.
inline constexpr char kMiniRoot[] = "UUID=6d696e69-0000-4000-8000-000000000011";
// Makes a qcow2 disk at `path` of the mini Debian as conversion leaves it: root and fstab by UUID,
// a serial console. Its initramfs knows the bus "ahci". `root`: argument of the kernel, may say
// more; `files`: absolute path -> content, instead of what is there. It serves a page on port 80.
absl::Status MakeMiniDebian(const std::string& arguments,
                            const std::map<std::string, std::string>& files,
                            const std::string& path);

}  // namespace godwit::testing
