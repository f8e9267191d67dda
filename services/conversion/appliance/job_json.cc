#include "services/conversion/appliance/job_json.h"

#include <nlohmann/json.hpp>

#include "services/conversion/appliance/windows_json.h"

namespace godwit::conversion {

std::string JobJson(const conversion::v1::ConversionTask& task,
                    const std::vector<Script>& scripts) {
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
  using Task = conversion::v1::ConversionTask;
  using Launch = jobs::v1::LaunchSettings;
  const auto& target = task.target();
  const auto& limit = target.regenerate_timeout();
  nlohmann::json job = {{"source_disks", disks},
                        {"windows", WindowsJson(target)},
                        {"nics", nics},
                        {"hypervisor", target.hypervisor()},
                        {"linux_modules", target.linux_modules()},
                        {"kernel_arguments", target.kernel_arguments()},
                        {"boot_mode", target.boot_mode() == Launch::UEFI          ? "uefi"
                                      : target.boot_mode() == Launch::LEGACY_BIOS ? "bios"
                                                                                  : ""},
                        {"action", task.mode() == Task::DIFF   ? "diff"
                                   : task.mode() == Task::UNDO ? "undo"
                                                               : ""},
                        {"regenerate", task.mode() == Task::REGENERATE},
                        {"regenerate_seconds", limit.seconds() > 0 ? limit.seconds() : 600},
                        {"dry_run", task.mode() == Task::PREFLIGHT},
                        {"unfinished", task.unfinished()}};
  // Scripts run after conversions only.
  job["scripts"] = nlohmann::json::array();
  for (const Script& script : scripts) {
    if (task.mode() != Task::APPEND && task.mode() != Task::REGENERATE) break;
    job["scripts"].push_back({{"name", script.name},
                              {"text", script.text},
                              {"timeout_seconds", script.timeout_seconds}});
  }
  if (target.firmware_size() > 0) job["firmware"] = target.firmware();
  return job.dump();
}

}  // namespace godwit::conversion
