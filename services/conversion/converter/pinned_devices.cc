#include "services/conversion/converter/pinned_devices.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/fstab.h"

namespace godwit::convert {
namespace {

constexpr char kStep[] = "devices";
constexpr char kAllowed[] = "etc/lvm/devices/system.devices";
constexpr char kBackup[] = ".pre-migration";
constexpr const char* kEdited[] = {"etc/mdadm/mdadm.conf", "etc/mdadm.conf", "etc/lvm/lvm.conf"};

}  // namespace

absl::Status ConvertPinnedDevices(GuestRoot& root, const StableName& stable, Outcome* outcome) {
  if (const auto text = root.Read("etc/crypttab"); text.ok()) {
    std::vector<std::string> unresolved;
    RETURN_IF_ERROR(root.Write(kStep, "etc/crypttab", EditCrypttab(*text, stable, &unresolved),
                               "stable names of encrypted devices"));
    for (const std::string& device : unresolved) {
      outcome->findings.push_back(
          {"WARNING", "UNRESOLVABLE_CRYPTTAB",
           absl::StrCat("/etc/crypttab opens ", device,
                        ", which is no volume of the migrated disks"),
           "the line was left as it is; replicate that disk, too, or remove the line"});
    }
  }
  for (const char* path : kEdited) {
    const auto text = root.Read(path);
    if (!text.ok()) continue;
    const std::string edited = absl::EndsWith(path, "lvm.conf") ? EditLvm(*text) : EditMdadm(*text);
    RETURN_IF_ERROR(root.Write(kStep, path, edited, "no names of the source's disks"));
  }
  // The list of allowed devices knows the source's hardware; without it LVM takes every disk.
  if (const auto text = root.Read(kAllowed); text.ok()) {
    RETURN_IF_ERROR(root.Write(kStep, absl::StrCat(kAllowed, kBackup), *text,
                               "kept: the list of allowed devices"));
    RETURN_IF_ERROR(root.Remove(kStep, kAllowed, "it allows only disks of the source"));
  }
  return absl::OkStatus();
}

std::vector<std::pair<std::string, std::string>> PinnedFilesForInitramfs(const GuestRoot& root) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const char* path : kEdited) {
    const auto text = root.Read(path);
    if (text.ok() && root.Exists(absl::StrCat(path, kBackup))) files.emplace_back(path, *text);
  }
  // dracut packs the list of allowed devices, too. It cannot be taken out of an image, but be
  // switched off.
  if (root.Exists(kAllowed) || root.Exists(absl::StrCat(kAllowed, kBackup)))
    files.emplace_back("etc/lvm/lvmlocal.conf", "devices {\n\tuse_devicesfile = 0\n}\n");
  return files;
}

}  // namespace godwit::convert
