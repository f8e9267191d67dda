#include "services/conversion/converter/job.h"

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "services/common/base/status_macros.h"

namespace godwit::convert {

absl::StatusOr<Job> ParseJob(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("the job is not a JSON object");
  Job job;
  job.dry_run = json.value("dry_run", false);
  for (const auto& disk : json.value("source_disks", nlohmann::json::array())) {
    if (disk.is_string()) job.source_disks.push_back(disk.get<std::string>());
  }
  for (const auto& nic : json.value("nics", nlohmann::json::array())) {
    if (!nic.is_object()) continue;
    const Nic parsed{.mac_address = nic.value("mac_address", ""),
                     .source_mac_address = nic.value("source_mac_address", ""),
                     .source_name = nic.value("source_name", "")};
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
  ASSIGN_OR_RETURN(job.windows, windows::ParseOptions(json.value("windows", nlohmann::json())));
  return job;
}

}  // namespace godwit::convert
