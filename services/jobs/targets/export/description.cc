#include "services/jobs/targets/export/description.h"

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace godwit::jobs {
namespace {

using nlohmann::json;

constexpr std::size_t kMostStem = 63;

}  // namespace

std::string DescribeExport(const MachineSpec& spec, const std::vector<ExportedDisk>& disks,
                           const std::vector<ExportedFile>& files) {
  json out = {{"machine_id", spec.machine_id},
              {"name", spec.name},
              {"description", spec.description},
              {"cpu_count", spec.cpu_count},
              {"memory_bytes", spec.memory_bytes},
              {"boot_mode", spec.firmware},
              {"disk_bus", spec.disk_bus},
              {"format", spec.export_format},
              {"tags", spec.tags},
              {"disks", json::array()},
              {"nics", json::array()},
              {"files", json::array()}};
  for (std::size_t i = 0; i < disks.size(); ++i) {
    out["disks"].push_back(
        {{"order", i}, {"file", disks[i].file}, {"size_bytes", disks[i].size_bytes}});
  }
  for (const MachineNic& nic : spec.nics)
    out["nics"].push_back({{"mac_address", nic.mac_address}, {"model", nic.model}});
  for (const ExportedFile& file : files) {
    out["files"].push_back(
        {{"name", file.name}, {"size_bytes", file.file_bytes}, {"sha256", file.sha256}});
  }
  return absl::StrCat(out.dump(2, ' ', false, json::error_handler_t::replace), "\n");
}

std::string SumsOf(const std::vector<ExportedFile>& files) {
  std::string out;
  for (const ExportedFile& file : files) absl::StrAppend(&out, file.sha256, "  ", file.name, "\n");
  return out;
}

image::OvfMachine OvfOf(const MachineSpec& spec, const std::vector<ExportedDisk>& disks) {
  image::OvfMachine machine{.name = FileStem(spec),
                            .cpu_count = spec.cpu_count,
                            .memory_bytes = spec.memory_bytes,
                            .uefi = spec.firmware == "uefi",
                            .disk_bus = spec.disk_bus};
  machine.nics.clear();
  for (const MachineNic& nic : spec.nics)
    machine.nics.push_back({.mac_address = nic.mac_address, .model = nic.model});
  for (const ExportedDisk& disk : disks)
    machine.disks.push_back({.file = disk.file, .capacity_bytes = disk.size_bytes});
  return machine;
}

std::string FileStem(const MachineSpec& spec) {
  std::string out;
  for (const char c : spec.name.substr(0, kMostStem)) {
    const bool plain = absl::ascii_isalnum(c) || (!out.empty() && (c == '-' || c == '.'));
    out.push_back(plain ? c : '_');
  }
  return out.empty() ? "machine" : out;
}

}  // namespace godwit::jobs
