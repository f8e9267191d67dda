// The disks of this machine, from sysfs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

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

// Whole disks that hold data: no loop, RAM, optical, floppy or empty devices, and none
// that others are built of (dm, md). The boot disk first, then by name. `sys` is the mount point of
// sysfs, `mountinfo` the text of /proc/self/mountinfo, `dev` the folder of the devices.
absl::StatusOr<std::vector<FoundDisk>> FindDisks(const std::string& sys,
                                                 const std::string& mountinfo,
                                                 const std::string& dev = "/dev");

// Of every whole disk what tells that it is another one or has another size, by name. Costs a few
// reads of sysfs: to be asked every second.
std::map<std::string, std::string> DiskFingerprints(const std::string& sys);

// The stable id of a disk: from a seed that belongs to this installation of the agent and the
// disk's identity.
std::string DiskId(const std::string& seed, const FoundDisk& disk);

}  // namespace godwit::agent
