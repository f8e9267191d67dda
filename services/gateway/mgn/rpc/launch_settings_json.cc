#include "services/gateway/mgn/rpc/launch_settings_json.h"

#include "services/gateway/mgn/rpc/notes.h"
#include "services/gateway/mgn/rpc/post_launch_documents.h"

namespace godwit::gateway::mgn {
namespace {

using jobs::v1::LaunchSettings;
using nlohmann::json;

// The words are the same there and here, as the table let them through.
void ReadWords(const json& input, LaunchSettings* settings) {
  LaunchSettings::Disposition disposition;
  if (LaunchSettings::Disposition_Parse(input.value("launchDisposition", ""), &disposition)) {
    settings->set_disposition(disposition);
  }
  LaunchSettings::RightSizing sizing;
  if (LaunchSettings::RightSizing_Parse(input.value("targetInstanceTypeRightSizingMethod", ""),
                                        &sizing)) {
    settings->set_right_sizing(sizing);
  }
  LaunchSettings::BootMode boot_mode;
  if (LaunchSettings::BootMode_Parse(input.value("bootMode", ""), &boot_mode)) {
    settings->set_boot_mode(boot_mode);
  }
}

}  // namespace

absl::Status ReadLaunch(const json& input, const Documents& documents, LaunchSettings* settings) {
  ReadWords(input, settings);
  settings->set_copy_private_ip(input.value("copyPrivateIp", settings->copy_private_ip()));
  settings->set_copy_tags(input.value("copyTags", settings->copy_tags()));
  if (input.contains("licensing") && input["licensing"].contains("osByol")) {
    settings->set_licensing(input["licensing"]["osByol"].get<bool>() ? LaunchSettings::BYOL
                                                                     : LaunchSettings::PROVIDED);
  }
  KeepNotes(input,
            {"sourceServerID", "launchConfigurationTemplateID", "accountID", "tags",
             "launchDisposition", "targetInstanceTypeRightSizingMethod", "bootMode",
             "copyPrivateIp", "copyTags", "licensing", "postLaunchActions"},
            settings->mutable_notes());
  return ReadPostLaunchActions(input, documents, settings);
}

json LaunchJson(const LaunchSettings& settings, const Shape& shape) {
  const bool none = settings.right_sizing() == LaunchSettings::NONE;
  json out = {{"launchDisposition",
               settings.disposition() == LaunchSettings::STOPPED ? "STOPPED" : "STARTED"},
              {"targetInstanceTypeRightSizingMethod", none ? "NONE" : "BASIC"},
              {"copyPrivateIp", settings.copy_private_ip()},
              {"copyTags", settings.copy_tags()},
              {"licensing", {{"osByol", settings.licensing() != LaunchSettings::PROVIDED}}},
              {"bootMode", settings.boot_mode() == LaunchSettings::BOOT_MODE_UNSPECIFIED
                               ? "USE_SOURCE"
                               : LaunchSettings::BootMode_Name(settings.boot_mode())},
              {"postLaunchActions", PostLaunchActionsJson(settings)}};
  ShowNotes(settings.notes(), &out);
  return Fitting(shape, out);
}

}  // namespace godwit::gateway::mgn
