// The volumes of the migrated disks inside of the appliance: finding, checking, mounting.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace godwit::convert {

struct Volume {
  std::string device;         // in the appliance: "/dev/vda1"
  std::string source_device;  // on the source: "/dev/sda1"
  std::string type, uuid, label;
  std::string mount_point;  // of the guest; "" when it is not mounted by it
  std::int64_t size_bytes = 0, free_bytes = 0;
};

// The source's kernel name of partition `number` of a disk: "/dev/sda" 1 -> "/dev/sda1",
// "/dev/nvme0n1" 1 -> "/dev/nvme0n1p1".
std::string PartitionName(const std::string& disk, int number);

// Disk i of the source is the i-th virtio disk ("vda", "vdb", ...). Whole disks without partitions
// count as volumes.
absl::StatusOr<std::vector<Volume>> FindVolumes(const std::vector<std::string>& source_disks);

// Runs e2fsck -p on ext volumes (XFS replays its log when it is mounted). FAILED_PRECONDITION when
// errors remain.
absl::Status CheckVolume(const Volume& volume);

// Mounts without letting anything on it run or be a device. `read_only`: nothing is written, not
// even a journal replayed.
absl::Status MountVolume(const Volume& volume, const std::string& where, bool read_only);
absl::Status Unmount(const std::string& where);

// Runs a program of the appliance; its exit code. What it prints goes to the console.
absl::StatusOr<int> RunTool(const std::vector<std::string>& command);

}  // namespace godwit::convert
