// The disks of this machine, from sysfs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace godwit::agent {

struct FoundDisk {
  std::string name;         // kernel name: "sda"
  std::string device_name;  // "/dev/sda"
  std::uint64_t size_bytes = 0;
  int logical_block_size = 512;
  int major = 0, minor = 0;
  std::string
      identity;  // WWID, serial or partition table id; the kernel name when there is none of them
  bool weak_identity = false;  // a partition table or a name: another one may come to this disk
  std::string model;
  // Another one for each device that the kernel ever had (since 5.15); may be empty.
  std::string sequence;
  bool read_only = false;
  bool is_boot_disk = false;  // holds the root file system
  // "major:minor" of the disk, its partitions and what is stacked on them (LVM, RAID).
  std::vector<std::string> devices;
};

// Whole disks that hold data: no optical, floppy or empty devices; and no loop, RAM or network
// devices and none that are built of others (dm, md), unless `named` has their kernel name, device
// name or identity. The boot disk first, then by name. `sys` is the mount point of sysfs,
// `mountinfo` the text of /proc/self/mountinfo, `dev` the folder of the devices.
absl::StatusOr<std::vector<FoundDisk>> FindDisks(const std::string& sys,
                                                 const std::string& mountinfo,
                                                 const std::string& dev = "/dev",
                                                 const std::vector<std::string>& named = {});

// A device of this kernel or device name is found only when it is named.
bool OnlyWhenNamed(absl::string_view name);

// Of every whole disk what tells that it is another one or has another size, by name; with `all`
// also of devices that are found only when they are named. Costs a few reads of sysfs: to be asked
// every second.
std::map<std::string, std::string> DiskFingerprints(const std::string& sys, bool all = false);

// The stable id of a disk: from a seed that belongs to this installation of the agent and the
// disk's identity.
std::string DiskId(const std::string& seed, const FoundDisk& disk);

}  // namespace godwit::agent
