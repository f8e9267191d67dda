#include "services/conversion/converter/outcome_json.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/conversion/converter/windows/windows_json.h"

namespace godwit::convert {

nlohmann::json ToJson(const Outcome& outcome) {
  nlohmann::json kernels = nlohmann::json::array(), volumes = nlohmann::json::array(),
                 changes = nlohmann::json::array(), findings = nlohmann::json::array();
  const Inspection& inspection = outcome.inspection;
  for (const GuestKernel& kernel : inspection.kernels) {
    kernels.push_back({{"release", kernel.release},
                       {"isDefault", kernel.is_default},
                       {"initramfsPath", kernel.initramfs},
                       {"missingModules", kernel.missing_modules}});
  }
  for (const Volume& volume : outcome.volumes) {
    volumes.push_back({{"device", volume.source_device},
                       {"type", volume.type},
                       {"uuid", volume.uuid},
                       {"label", volume.label},
                       {"mountPoint", volume.mount_point},
                       {"sizeBytes", absl::StrCat(volume.size_bytes)},
                       {"freeBytes", absl::StrCat(volume.free_bytes)},
                       {"partUuid", volume.part_uuid},
                       {"kind", volume.kind},
                       {"liesOn", volume.lies_on},
                       {"subvolume", volume.subvolume},
                       {"partLabel", volume.part_label}});
  }
  for (const Change& change : outcome.changes) {
    changes.push_back({{"step", change.step},
                       {"path", change.volume == "esp"    ? "esp:/" + change.path
                                : change.volume == "disk" ? change.path
                                                          : "/" + change.path},
                       {"beforeSha256", change.before_sha256},
                       {"afterSha256", change.after_sha256},
                       {"summary", change.summary}});
    if (change.registry) changes.back()["registry"] = windows::ToJson(*change.registry);
  }
  for (const Finding& finding : outcome.findings) {
    findings.push_back({{"severity", finding.severity},
                        {"reason", finding.reason},
                        {"message", finding.message},
                        {"remedy", finding.remedy}});
  }
  nlohmann::json scripts = nlohmann::json::array();
  for (const ScriptOutcome& script : outcome.scripts) {
    scripts.push_back({{"name", script.name},
                       {"sha256", script.sha256},
                       {"exitCode", script.exit_code},
                       {"output", script.output},
                       {"took", absl::StrFormat("%.3fs", script.seconds)}});
  }
  nlohmann::json json = {{"inspection",
                          {{"osFamily", inspection.os_family},
                           {"distribution", inspection.distribution},
                           {"version", inspection.version},
                           {"fullString", inspection.full_string},
                           {"architecture", inspection.architecture},
                           {"bootMode", outcome.boot_mode},
                           {"bootLoader", inspection.boot_loader},
                           {"kernels", kernels},
                           {"volumes", volumes},
                           {"initramfsTool", inspection.initramfs_tool},
                           {"initSystem", inspection.init_system},
                           {"selinux", inspection.selinux},
                           {"guestTools", inspection.guest_tools},
                           {"networkKinds", inspection.network_kinds},
                           {"installations", inspection.installations}}},
                         {"changes", changes},
                         {"findings", findings},
                         {"hints", {{"firmware", outcome.firmware}, {"serialConsole", true}}},
                         {"diff", outcome.diff},
                         {"scripts", scripts}};
  if (inspection.windows) {
    json["inspection"]["windows"] = windows::ToJson(*inspection.windows);
    json["hints"]["serialConsole"] = false;
    if (!inspection.windows->boot_mode.empty()) {
      json["inspection"]["bootMode"] = inspection.windows->boot_mode;
      json["hints"]["firmware"] = absl::AsciiStrToLower(inspection.windows->boot_mode);
    }
  }
  return json;
}

}  // namespace godwit::convert
