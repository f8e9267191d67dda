#include "services/conversion/appliance/job_json.h"

#include <nlohmann/json.hpp>

namespace godwit::conversion {

std::string JobJson(const conversion::v1::ConversionTask& task) {
  nlohmann::json disks = nlohmann::json::array(), nics = nlohmann::json::array();
  for (const auto& disk : task.disks()) disks.push_back(disk.device_name());
  for (const auto& nic : task.target().nics()) {
    nics.push_back({{"mac_address", nic.mac_address()},
                    {"source_mac_address", nic.source_mac_address()},
                    {"source_name", nic.source_name()},
                    {"static_address", nic.static_address()},
                    {"gateway", nic.gateway()},
                    {"reset_to_dhcp", nic.reset_to_dhcp()}});
  }
  const auto& limit = task.target().regenerate_timeout();
  return nlohmann::json{{"source_disks", disks},
                        {"nics", nics},
                        {"regenerate", task.mode() == conversion::v1::ConversionTask::REGENERATE},
                        {"regenerate_seconds", limit.seconds() > 0 ? limit.seconds() : 600},
                        {"dry_run", task.mode() == conversion::v1::ConversionTask::PREFLIGHT}}
      .dump();
}

}  // namespace godwit::conversion
