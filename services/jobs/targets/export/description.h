// What target export says about a machine, for programs that import it.
#pragma once

#include <string>
#include <vector>

#include "services/common/image/ovf.h"
#include "services/jobs/targets/export/export_state.h"
#include "services/jobs/targets/target.h"

namespace godwit::jobs {

inline constexpr char kDescriptionFile[] = "machine.json";
inline constexpr char kSumsFile[] = "SHA256SUMS";

// One disk of the machine, in boot order.
struct ExportedDisk {
  std::string file;
  std::int64_t size_bytes = 0;
};

// JSON: name, CPUs, memory, boot mode, disks in order with size, interfaces, tags, files.
std::string DescribeExport(const MachineSpec& spec, const std::vector<ExportedDisk>& disks,
                           const std::vector<ExportedFile>& files);
// As `sha256sum -c` reads it.
std::string SumsOf(const std::vector<ExportedFile>& files);
image::OvfMachine OvfOf(const MachineSpec& spec, const std::vector<ExportedDisk>& disks);
// A name for files made from the machine's: letters, digits, '.', '_' and '-', at most 63.
std::string FileStem(const MachineSpec& spec);

}  // namespace godwit::jobs
