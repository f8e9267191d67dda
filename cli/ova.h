// Open Virtualization Format: the description of a machine and the archive of it with its disks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace godwit::cli {

struct OvfDisk {
  std::string file;  // name in the archive
  std::int64_t file_bytes = 0;
  std::int64_t capacity_bytes = 0;
};
struct OvfMachine {
  std::string name;
  int cpu_count = 1;
  std::int64_t memory_bytes = 0;
  bool uefi = false;
  std::vector<OvfDisk> disks;  // stream-optimised VMDK, boot disk first
};

// The description (OVF 1.0): CPUs, memory, disks on a SCSI controller, one network interface.
std::string OvfText(const OvfMachine& machine);

// Lower-case hex SHA-256 of a file.
absl::StatusOr<std::string> Sha256OfFile(const std::string& path);

// Writes a tar (ustar) of `paths`, in their order, under their names without folders. Sizes above
// 8 GiB are written in base 256, as GNU tar and its readers have it.
absl::Status WriteTar(const std::vector<std::string>& paths, const std::string& to);

}  // namespace godwit::cli
