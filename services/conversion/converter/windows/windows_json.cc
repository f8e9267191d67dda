#include "services/conversion/converter/windows/windows_json.h"

#include "absl/strings/escaping.h"

namespace godwit::convert::windows {
namespace {

nlohmann::json ToJson(const RegValue& value) {
  return {{"type", value.type}, {"data", absl::Base64Escape(value.data)}};
}

}  // namespace

nlohmann::json ToJson(const WindowsInspection& inspection) {
  return {{"productName", inspection.product_name},
          {"edition", inspection.edition},
          {"installationType", inspection.installation_type},
          {"build", inspection.build},
          {"isServer", inspection.is_server},
          {"controlSet", inspection.control_set},
          {"systemRoot", inspection.system_root},
          {"computerName", inspection.computer_name},
          {"activation", inspection.activation},
          {"hypervisorTools", inspection.hypervisor_tools},
          {"paravirtualDrivers", inspection.paravirtual_drivers},
          {"pageFiles", inspection.page_files}};
}

nlohmann::json ToJson(const RegistryEdit& edit) {
  nlohmann::json json = {{"key", edit.key}};
  if (edit.made_key) {
    json["madeKey"] = true;
    return json;
  }
  json["value"] = edit.value;
  if (edit.before) json["before"] = ToJson(*edit.before);
  if (edit.after) json["after"] = ToJson(*edit.after);
  return json;
}

}  // namespace godwit::convert::windows
