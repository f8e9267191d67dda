#include "services/conversion/appliance/job_json.h"

#include <nlohmann/json.hpp>

#include "services/conversion/appliance/windows_json.h"

namespace godwit::conversion {

std::string JobJson(const conversion::v1::ConversionTask& task) {
  nlohmann::json disks = nlohmann::json::array(), nics = nlohmann::json::array();
  for (const auto& disk : task.disks()) disks.push_back(disk.device_name());
  for (const auto& nic : task.target().nics()) {
    nics.push_back({{"mac_address", nic.mac_address()},
                    {"source_mac_address", nic.source_mac_address()},
                    {"source_name", nic.source_name()}});
  }
  return nlohmann::json{{"source_disks", disks},
                        {"windows", WindowsJson(task.target())},
                        {"nics", nics},
                        {"dry_run", task.mode() == conversion::v1::ConversionTask::PREFLIGHT}}
      .dump();
}

}  // namespace godwit::conversion
