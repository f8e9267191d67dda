#include "services/conversion/converter/job.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/address_text.h"

namespace godwit::convert {

absl::StatusOr<Job> ParseJob(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("the job is not a JSON object");
  Job job;
  job.dry_run = json.value("dry_run", false);
  job.unfinished = json.value("unfinished", false);
  job.regenerate = json.value("regenerate", false);
  job.regenerate_seconds = std::clamp(json.value("regenerate_seconds", 600), 1, 3600);
  if (const auto found = json.find("hypervisor"); found != json.end() && found->is_string())
    job.hypervisor = found->get<std::string>();
  for (const auto& disk : json.value("source_disks", nlohmann::json::array())) {
    if (disk.is_string()) job.source_disks.push_back(disk.get<std::string>());
  }
  for (const auto& nic : json.value("nics", nlohmann::json::array())) {
    if (!nic.is_object()) continue;
    const Nic parsed{.mac_address = nic.value("mac_address", ""),
                     .source_mac_address = nic.value("source_mac_address", ""),
                     .source_name = nic.value("source_name", ""),
                     .static_address = nic.value("static_address", ""),
                     .gateway = nic.value("gateway", ""),
                     .reset_to_dhcp = nic.value("reset_to_dhcp", false)};
    RETURN_IF_ERROR(CheckAddresses(parsed));
    for (const char c : parsed.source_name) {
      if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-' && c != '.') {
        return absl::InvalidArgumentError(
            "nics.source_name: letters, digits, '_', '-' and '.' only");
      }
    }
    for (const char c : parsed.mac_address) {
      if (!absl::ascii_isxdigit(static_cast<unsigned char>(c)) && c != ':') {
        return absl::InvalidArgumentError("nics.mac_address: hex digits and colons only");
      }
    }
    job.nics.push_back(parsed);
  }
  const auto words = [&](const char* field, std::vector<std::string>* out) {
    if (!json.contains(field)) return;
    out->clear();
    for (const auto& word : json.value(field, nlohmann::json::array())) {
      if (word.is_string()) out->push_back(word.get<std::string>());
    }
  };
  words("linux_modules", &job.linux_modules);
  words("kernel_arguments", &job.kernel_arguments);
  words("firmware", &job.firmware);
  if (job.firmware.empty()) job.firmware = {"bios", "uefi"};
  for (const auto& script : json.value("scripts", nlohmann::json::array())) {
    if (!script.is_object()) continue;
    job.scripts.push_back({.name = script.value("name", ""),
                           .text = script.value("text", ""),
                           .timeout_seconds = script.value("timeout_seconds", 60)});
  }
  job.boot_mode = json.value("boot_mode", "");
  if (job.boot_mode != "" && job.boot_mode != "bios" && job.boot_mode != "uefi")
    return absl::InvalidArgumentError("boot_mode: bios, uefi or nothing");
  job.action = json.value("action", "");
  if (job.action != "" && job.action != "diff" && job.action != "undo")
    return absl::InvalidArgumentError("action: diff, undo or nothing");
  ASSIGN_OR_RETURN(job.windows, windows::ParseOptions(json.value("windows", nlohmann::json())));
  job.dry_run = job.dry_run || job.action == "diff";
  return job;
}

}  // namespace godwit::convert
