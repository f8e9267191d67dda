#include "services/conversion/converter/windows/old_platform.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"

namespace godwit::convert::windows {
namespace {

constexpr std::uint32_t kDisabled = 4;
constexpr char kUninstall[] = R"(Microsoft\Windows\CurrentVersion\Uninstall)";
constexpr char kUninstall32[] = R"(WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall)";

// Services that wait for, or talk to, a hypervisor that is no longer there.
struct Vendor {
  const char* name;
  const char* program;  // part of what it is called among the installed programs
  std::vector<const char*> services;
};

const std::vector<Vendor>& Vendors() {
  static const auto& vendors = *new std::vector<Vendor>{
      {"vmware",
       "VMware Tools",
       {"VMTools", "VGAuthService", "VMMemCtl", "vmhgfs", "vmrawdsk", "vmvss", "vm3dservice",
        "VMwareCAFCommAmqpListener", "VMwareCAFManagementAgentHost", "vsepflt", "vnetflt",
        "vnetWFP", "giappdef", "vmwTimeProvider"}},
      {"virtualbox",
       "VirtualBox Guest Additions",
       {"VBoxService", "VBoxGuest", "VBoxSF", "VBoxMouse", "VBoxVideo", "VBoxWddm"}},
      {"xen",
       "Xen",
       {"xenfilt", "scsifilt", "xenevtchn", "xennet", "xennet6", "xenvbd", "xenbus", "xeniface",
        "xenvif", "xendisk", "xenlite", "xensvc", "xenagent", "xenbus_monitor", "XenInstall",
        "rhelfltr", "rhelscsi", "rhelnet"}},
      {"parallels",
       "Parallels Tools",
       {"prl_strg", "prl_tg", "prl_eth5", "prl_fs", "prl_memdev", "prl_mouf", "prl_pv32",
        "prl_pv64", "prl_boot", "Parallels Tools Service", "Parallels Coherence Service"}},
      {"kvm", "QEMU guest agent", {}},
      {"hyperv", "Hyper-V Integration Services", {}},
  };
  return vendors;
}

std::set<std::string> ServicesOf(const Vendor& vendor) {
  std::set<std::string> names;
  for (const char* service : vendor.services) names.insert(absl::AsciiStrToLower(service));
  return names;
}

absl::Status RemoveFilters(Hive& system, const std::string& key, const std::set<std::string>& gone,
                           std::vector<std::string>* left) {
  // Of Windows itself.
  static const auto& own = *new std::set<std::string>{
      "partmgr",     "volsnap",   "fvevol",     "rdyboost",          "iorate",
      "ehstorclass", "mouclass",  "kbdclass",   "ksthunk",           "volume",
      "wudfrd",      "iaocclass", "storqosflt", "wdmcompanionfilter"};
  for (const char* value : {"UpperFilters", "LowerFilters"}) {
    const std::vector<std::string> before = system.GetTexts(key, value);
    std::vector<std::string> after;
    for (const std::string& filter : before) {
      const std::string name = absl::AsciiStrToLower(filter);
      if (gone.count(name) != 0) continue;
      after.push_back(filter);
      if (own.count(name) != 0) continue;
      std::string class_name = system.GetText(key, "Class");
      left->push_back(absl::StrCat(
          class_name.empty() ? key.substr(key.rfind('\\') + 1) : class_name, ": ", filter));
    }
    if (after.size() == before.size()) continue;
    RETURN_IF_ERROR(after.empty() ? system.Remove(key, value)
                                  : system.Set(key, value, RegMultiSz(after)));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> FindHypervisorTools(const Hive& system, const Hive& software,
                                             const std::string& control_set) {
  std::set<std::string> found;
  for (const char* list : {kUninstall, kUninstall32}) {
    for (const std::string& program : software.Children(list)) {
      const std::string name = software.GetText(absl::StrCat(list, "\\", program), "DisplayName");
      for (const Vendor& vendor : Vendors()) {
        if (absl::StrContains(name, vendor.program)) found.insert(name);
      }
    }
  }
  for (const Vendor& vendor : Vendors()) {
    for (const char* service : vendor.services) {
      if (system.HasKey(absl::StrCat(control_set, R"(\Services\)", service))) {
        found.insert(absl::StrCat(vendor.name, " service ", service));
      }
    }
  }
  return {found.begin(), found.end()};
}

std::vector<std::string> FindParavirtualDrivers(const Hive& system,
                                                const std::string& control_set) {
  std::vector<std::string> found;
  for (const char* name : {"AWSNVMe", "BALLOON", "ena", "netkvm", "pvscsi", "storvsc", "vioscsi",
                           "VirtioSerial", "viostor", "vmxnet3ndis6", "xenvbd"}) {
    if (system.HasKey(absl::StrCat(control_set, R"(\Services\)", name))) found.push_back(name);
  }
  std::sort(found.begin(), found.end());
  return found;
}

absl::Status DisableOldPlatform(Hive& system, const std::string& control_set,
                                const std::string& hypervisor, std::vector<std::string>* filters) {
  std::set<std::string> gone;
  for (const Vendor& other : Vendors()) {
    if (other.name != hypervisor) gone.merge(ServicesOf(other));
  }
  const std::string services = control_set + "\\Services";
  for (const std::string& service : system.Children(services)) {
    if (gone.count(absl::AsciiStrToLower(service)) == 0) continue;
    const std::string key = absl::StrCat(services, "\\", service);
    if (!system.GetDword(key, "Start")) continue;
    RETURN_IF_ERROR(system.Set(key, "Start", RegDword(kDisabled)));
  }
  const std::string classes = control_set + R"(\Control\Class)";
  for (const std::string& name : system.Children(classes)) {
    RETURN_IF_ERROR(RemoveFilters(system, absl::StrCat(classes, "\\", name), gone, filters));
  }
  return absl::OkStatus();
}

}  // namespace godwit::convert::windows
