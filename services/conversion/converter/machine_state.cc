#include "services/conversion/converter/machine_state.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/editors.h"

namespace godwit::convert {
namespace {

// blkid(8) up to util-linux 2.17 and since; lvm.conf(5) "cache"; lvmdevices(8): a list of devices
// by the ids of the source's disks hides the target's; grub-mkdevicemap.
constexpr const char* kCaches[] = {"etc/blkid.tab",
                                   "etc/blkid.tab.old",
                                   "etc/blkid/blkid.tab",
                                   "etc/blkid/blkid.tab.old",
                                   "etc/lvm/cache/.cache",
                                   "etc/lvm/.cache",
                                   "etc/lvm/devices/system.devices",
                                   "boot/grub/device.map",
                                   "boot/grub2/device.map"};

}  // namespace

std::string FindSelinux(const GuestRoot& root) {
  const absl::StatusOr<std::string> text = root.Read("etc/selinux/config", 65536);
  return text.ok()
             ? absl::AsciiStrToLower(absl::StripAsciiWhitespace(OsReleaseValue(*text, "SELINUX")))
             : "";
}

absl::Status ConvertSelinux(GuestRoot& root, Findings* findings) {
  const std::string mode = FindSelinux(root);
  if (mode != "enforcing" && mode != "permissive") return absl::OkStatus();
  if (!root.Exists(".autorelabel")) {
    RETURN_IF_ERROR(root.Write("selinux", ".autorelabel", "", "labels are set at the next boot"));
  }
  findings->push_back({"NOTE", "SELINUX_RELABEL", absl::StrCat("SELinux is ", mode),
                       "the first boot sets the labels of all files, which takes minutes, and "
                       "starts the machine once more"});
  return absl::OkStatus();
}

absl::Status RemoveDeviceCaches(GuestRoot& root) {
  for (const char* path : kCaches) {
    const absl::StatusOr<std::string> text = root.Read(path);
    if (!text.ok()) continue;
    RETURN_IF_ERROR(
        root.Remove("caches", path, "devices of the source; the system lists its own anew"));
  }
  return absl::OkStatus();
}

}  // namespace godwit::convert
