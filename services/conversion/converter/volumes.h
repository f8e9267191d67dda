// The volumes of the migrated disks inside of the appliance: what they are, checking, mounting.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/tools.h"

namespace godwit::convert {

struct Volume {
  std::string device;         // in the appliance: "/dev/vda1"
  std::string source_device;  // on the source: "/dev/sda1", "/dev/mapper/vg0-root", "/dev/md/0"
  std::string type, uuid, label;
  std::string mount_point;  // of the guest; "" when it is not mounted by it
  std::int64_t size_bytes = 0, free_bytes = 0;

  std::string kind = "partition";         // "disk", "partition", "md", "lvm", "luks"
  std::vector<std::string> source_names;  // other names of it on the source: "/dev/vg0/root"
  std::vector<std::string> lies_on;       // source_device of what it is made of
  int disk = -1, partition = 0;           // of the source; 0: the whole disk
  std::string part_uuid, part_label, part_type;
  std::string subvolume;           // Btrfs: the one that is mounted at mount_point
  std::uint64_t device_count = 1;  // of a Btrfs file system or an array
  int level = 0, minor = -1;       // "md": RAID level, preferred N of /dev/mdN
  bool member = false;             // a further device of a file system on several
  bool written = false;            // mounted for changes
  std::string damage;              // what the check before found; "" sound
};

// The source's kernel name of partition `number` of a disk: "/dev/sda" 1 -> "/dev/sda1",
// "/dev/nvme0n1" 1 -> "/dev/nvme0n1p1".
std::string PartitionName(const std::string& disk, int number);

// What is on a block device of the appliance, by its superblock.
absl::Status Probe(Volume* volume);

// A whole disk of the appliance ("vda", "md100"): itself when it has no partitions, else these.
// `like` has what they have in common. At most `max_volumes`.
absl::StatusOr<std::vector<Volume>> VolumesOfDisk(const std::string& name, const Volume& like,
                                                  std::size_t max_volumes);

// Checks a file system and repairs what can be repaired without loss (XFS and Btrfs replay their
// logs when they are mounted, and are checked afterwards only). FAILED_PRECONDITION when errors
// remain.
absl::Status CheckBefore(const Volume& volume);
absl::Status CheckAfter(const Volume& volume);

// Mounts without letting anything on it run or be a device. `read_only`: nothing is written, not
// even a journal replayed. `subvolume` of Btrfs; "" the default one.
absl::Status MountVolume(const Volume& volume, const std::string& where, bool read_only,
                         const std::string& subvolume = "");
absl::Status Unmount(const std::string& where);

// Unmounts all that is mounted at or below `where`, the last first. The names come from the kernel.
absl::Status UnmountAll(const std::string& where);

}  // namespace godwit::convert
