// Open Virtualization Format: the description of a machine with disks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace godwit::image {

struct OvfDisk {
  std::string file;  // name in the archive
  std::int64_t file_bytes = 0;
  std::int64_t capacity_bytes = 0;
};
struct OvfNic {
  std::string mac_address;  // empty: the platform chooses
  std::string model = "vmxnet3";
};
struct OvfMachine {
  std::string name;
  int cpu_count = 1;
  std::int64_t memory_bytes = 0;
  bool uefi = false;
  std::string disk_bus = "pvscsi";
  std::vector<OvfNic> nics = {OvfNic{}};
  std::vector<OvfDisk> disks;  // stream-optimised VMDK, boot disk first
};

// The description (OVF 1.0): CPUs, memory, disks on one controller, network interfaces. Buses and
// models that such platforms do not have become those of VMware's own drivers: SCSI (VirtualSCSI)
// and VmxNet3.
std::string OvfText(const OvfMachine& machine);

}  // namespace godwit::image
