// The cells of the matrix, and what a machine of each layout says of itself.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace godwit::conversion {

struct Cell {
  std::string layout, boot_mode, profile;  // "bios" or "uefi"
  bool always;                             // part of every run

  std::string Name() const { return absl::StrCat(layout, "/", boot_mode, "/", profile); }
};

// ENA and the buses of Hyper-V have no emulation: ec2-nvme has another card here, hyperv is left
// out (its drivers are asserted by the tests of the converter).
inline const std::vector<Cell>& Cells() {
  static const auto& cells = *new std::vector<Cell>([] {
    std::vector<Cell> all;
    const std::set<std::vector<std::string>> always = {
        {"ext4", "bios", "vmware-pvscsi"},  {"ext4", "uefi", "kvm-virtio"},
        {"xfs", "bios", "generic-ahci"},    {"gpt-bios", "bios", "ec2-nvme"},
        {"gpt-bios", "uefi", "kvm-nvme"},   {"gpt-uefi", "bios", "kvm-virtio"},
        {"gpt-uefi", "uefi", "ec2-nvme"},   {"gpt-uefi", "uefi", "generic-ahci"},
        {"lvm", "bios", "kvm-virtio-scsi"}, {"luks-lvm", "bios", "generic-ahci"},
        {"md", "bios", "kvm-nvme"},         {"btrfs", "uefi", "kvm-virtio-scsi"}};
    for (const char* layout :
         {"ext4", "xfs", "gpt-bios", "gpt-uefi", "lvm", "luks-lvm", "md", "btrfs"}) {
      for (const char* mode : {"bios", "uefi"}) {
        for (const char* profile : {"kvm-virtio", "kvm-virtio-scsi", "kvm-nvme", "ec2-nvme",
                                    "vmware-pvscsi", "generic-ahci"}) {
          // The UEFI firmware of Debian's QEMU has no driver for this bus.
          if (std::string(mode) == "uefi" && std::string(profile) == "vmware-pvscsi") continue;
          all.push_back({layout, mode, profile, always.contains({layout, mode, profile})});
        }
      }
    }
    return all;
  }());
  return cells;
}

// What a machine of the layout says of itself (its page /facts).
inline const std::map<std::string, std::vector<std::string>>& Facts() {
  static const auto& facts = *new std::map<std::string, std::vector<std::string>>{
      {"gpt-bios", {"failed=0"}},
      {"gpt-uefi", {"mount=/boot/efi", "failed=0"}},
      {"lvm",
       {"root=/dev/mapper/vg0-root", "mount=/boot /dev/", "mount=/srv /dev/mapper/vg0-srv",
        "failed=0"}},
      {"luks-lvm",
       {"root=/dev/mapper/vg--crypt-root", "mount=/boot /dev/", "swap=/dev/dm-", "failed=0"}},
      {"md", {"root=/dev/md0", "root=UUID=", "swap=/swapfile", "failed=0"}},
      {"btrfs", {"[/@] btrfs", "mount=/home /dev/", "[/@home]", "failed=0"}}};
  return facts;
}

// `wanted`: "" the part that always runs, "full" all, else the beginnings of names with commas
// between ("md/uefi,xfs"). Cells that share their converted disks are together.
inline std::vector<std::vector<Cell>> Groups(const std::string& wanted) {
  std::map<std::string, std::vector<Cell>> groups;
  std::vector<std::string> order;
  for (const Cell& cell : Cells()) {
    bool chosen = wanted == "full" || (wanted.empty() && cell.always);
    for (const absl::string_view word : absl::StrSplit(wanted, ',', absl::SkipEmpty()))
      chosen = chosen || absl::StartsWith(cell.Name(), word);
    if (!chosen) continue;
    const std::string key = absl::StrCat(cell.layout, "/", cell.boot_mode);
    if (!groups.contains(key)) order.push_back(key);
    groups[key].push_back(cell);
  }
  std::vector<std::vector<Cell>> out;
  for (const std::string& key : order) out.push_back(groups[key]);
  return out;
}

}  // namespace godwit::conversion
