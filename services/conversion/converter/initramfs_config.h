// The configuration of the tools that make a guest's initramfs, so that the images they make later
// (with the guest's next kernel) have the target's drivers, too.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/conversion/converter/editors.h"
#include "services/conversion/converter/guest_root.h"

namespace godwit::convert {

// "initramfs-tools" (Debian, Ubuntu), "dracut" (Red Hat, Fedora, SUSE from 12 on), "mkinitrd" (SUSE
// 11), "mkinitcpio" (Arch), "mkinitfs" (Alpine); empty: none that we know.
std::string FindInitramfsTool(const GuestRoot& root);

// mkinitcpio.conf(5): MODULES=(...), or MODULES="..." as it was before 2017.
std::string AddMkinitcpioModules(const std::string& text, const std::vector<std::string>& modules);
// mkinitfs.conf: features="...".
std::string AddMkinitfsFeatures(const std::string& text, const std::vector<std::string>& features);
// /etc/sysconfig/kernel of SUSE: INITRD_MODULES="...".
std::string AddInitrdModules(const std::string& text, const std::vector<std::string>& modules);

// `modules` are those that every kernel of the guest has.
absl::Status ConvertInitramfsConfig(GuestRoot& root, const std::vector<std::string>& modules,
                                    const StableName& stable);

}  // namespace godwit::convert
