#include "services/conversion/converter/guest_tools.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/edit_file.h"
#include "services/conversion/converter/guest_services.h"
#include "services/conversion/converter/modules.h"

namespace godwit::convert {
namespace {

constexpr char kStep[] = "guest tools";
constexpr char kMark[] = "# allowed for the migration: ";

struct Tools {
  const char *name, *hypervisor;
  std::vector<std::string> services;
};

// Names of services as the packages of the distributions have them: open-vm-tools (Debian, Ubuntu,
// Alpine: open-vm-tools, vgauth; Red Hat, SUSE, Arch: vmtoolsd, vgauthd), VMware's own tarball
// (vmware-tools), VirtualBox (vboxadd of the ISO image; virtualbox-guest-utils of Debian;
// vboxservice of Arch and Fedora), Hyper-V (hyperv-daemons of Red Hat, Debian, Ubuntu, SUSE,
// Alpine), Citrix and XCP-ng (xe-guest-utilities), Parallels.
const std::vector<Tools>& AllTools() {
  static const auto& tools = *new std::vector<Tools>{
      {"VMware Tools",
       "vmware",
       {"open-vm-tools", "vgauth", "vmtoolsd", "vgauthd", "vmware-vmblock-fuse",
        "run-vmblock\\x2dfuse.mount", "vmware-tools", "vmware-tools-thinprint"}},
      {"VirtualBox Guest Additions",
       "virtualbox",
       {"vboxadd", "vboxadd-service", "vboxadd-x11", "virtualbox-guest-utils", "vboxservice",
        "virtualbox-guest-additions"}},
      {"Hyper-V daemons",
       "hyperv",
       {"hypervkvpd", "hypervvssd", "hypervfcopyd", "hv-kvp-daemon", "hv-vss-daemon",
        "hv-fcopy-daemon", "hyperv-daemons.hv-kvp-daemon", "hyperv-daemons.hv-vss-daemon",
        "hyperv-daemons.hv-fcopy-daemon", "hv_kvp_daemon", "hv_vss_daemon", "hv_fcopy_daemon"}},
      {"Azure Linux agent", "hyperv", {"waagent", "walinuxagent"}},
      {"Xen guest utilities",
       "xen",
       {"xe-daemon", "xe-linux-distribution", "xe-guest-utilities", "xen-guest-agent"}},
      {"Parallels Tools", "parallels", {"prltoolsd", "prltools"}}};
  return tools;
}

}  // namespace

std::string AllowModules(const std::string& text, const std::vector<std::string>& modules) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (std::string& line : lines) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.size() < 2 || (words[0] != "blacklist" && words[0] != "install")) continue;
    const std::string name = ModuleName(words[1]);
    if (std::find(modules.begin(), modules.end(), name) != modules.end())
      line = absl::StrCat(kMark, line);
  }
  return absl::StrJoin(lines, "\n");
}

bool WasAllowed(const std::string& text) { return absl::StrContains(text, kMark); }

absl::Status ConvertGuestTools(GuestRoot& root, const std::string& stays,
                               std::vector<std::string>* found, Findings* findings) {
  for (const Tools& tools : AllTools()) {
    if (tools.hypervisor == stays) continue;
    std::vector<std::string> services;
    for (const std::string& service : tools.services) {
      ASSIGN_OR_RETURN(const bool there, DisableService(root, kStep, service, tools.name));
      if (there) services.push_back(service);
    }
    if (services.empty()) continue;
    found->push_back(tools.name);
    findings->push_back(
        {"NOTE", "GUEST_TOOLS",
         absl::StrCat(tools.name, " are installed (", absl::StrJoin(services, ", "), ")"),
         "they are not started any more; remove their packages when the migration is final"});
  }
  return absl::OkStatus();
}

absl::Status ConvertBlacklists(GuestRoot& root, const std::vector<std::string>& modules,
                               Findings* findings) {
  std::vector<std::string> files = {"etc/modprobe.conf"};
  for (const std::string& name : root.List("etc/modprobe.d")) {
    if (absl::EndsWith(name, ".conf")) files.push_back("etc/modprobe.d/" + name);
  }
  for (const std::string& file : files) {
    const absl::StatusOr<std::string> text = root.Read(file, kMaxConfiguration);
    if (!text.ok()) continue;
    const std::string edited = AllowModules(*text, modules);
    if (edited == *text) continue;
    RETURN_IF_ERROR(root.Write(kStep, file, edited, "drivers of the target are allowed"));
    findings->push_back({"NOTE", "DRIVER_BLACKLISTED",
                         absl::StrCat("/", file, " kept drivers of the target from being loaded"),
                         "the lines are comments now"});
  }
  return absl::OkStatus();
}

absl::Status ConvertGuestAgents(GuestRoot& root, Findings* findings) {
  // The unit binds to the port that the agent speaks through: started with it, never waited for.
  for (const char* name : {"qemu-guest-agent", "qemu-ga"}) {
    ASSIGN_OR_RETURN(
        const bool enabled,
        EnableService(root, kStep, name, "dev-virtio\\x2dports-org.qemu.guest_agent.0.device",
                      "the guest agent starts when the machine has its port"));
    if (!enabled) continue;
    findings->push_back(
        {"NOTE", "GUEST_AGENT", absl::StrCat(name, " is installed"), "it is started from now on"});
  }
  if (!root.Exists("etc/cloud/cloud.cfg")) return absl::OkStatus();
  // cloud-init, "Datasources": a list that ends with None waits for nothing. A new instance would
  // else get another network, name and host keys.
  RETURN_IF_ERROR(
      root.Write("cloud-init", "etc/cloud/cloud.cfg.d/99-zz-godwit.cfg",
                 "# This system was migrated: it waits for no cloud and stays what it is.\n"
                 "datasource_list: [ NoCloud, None ]\n"
                 "network: {config: disabled}\n"
                 "preserve_hostname: true\n"
                 "ssh_deletekeys: false\n",
                 "no waiting for a cloud; network, name and host keys stay"));
  findings->push_back(
      {"NOTE", "CLOUD_INIT", "cloud-init is installed",
       "it looks for the datasources NoCloud and None only; remove "
       "/etc/cloud/cloud.cfg.d/99-zz-godwit.cfg to let a cloud configure the machine"});
  return absl::OkStatus();
}

}  // namespace godwit::convert
