// Boot loaders of Linux guests: what they give the kernel as root, resume and console.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/editors.h"
#include "services/conversion/converter/guest_root.h"

namespace godwit::convert {

// Kinds of lines that carry kernel arguments.
enum class BootSyntax {
  kGrub2,        // grub.cfg: "linux /vmlinuz ARGUMENTS", also linux16 and linuxefi
  kGrubLegacy,   // menu.lst, grub.conf: "kernel /vmlinuz ARGUMENTS"
  kEntry,        // Boot Loader Specification: "options ARGUMENTS"
  kExtlinux,     // extlinux.conf: "APPEND ARGUMENTS"
  kEnvironment,  // grubenv: "kernelopts=ARGUMENTS", 1024 bytes in all
  kCommandLine,  // etc/kernel/cmdline: all of it
};

// EditKernelArguments on every line that has some. Entries whose arguments are a variable
// ($kernelopts) are left alone.
std::string EditBootConfig(BootSyntax syntax, const std::string& text, const StableName& stable,
                           const std::vector<std::string>& more = {});

// The boot loaders that the guest has, for people and for ConversionTask.inspection: "grub2",
// "grub-legacy", "systemd-boot", "extlinux". Empty: none that we know.
std::vector<std::string> FindBootLoaders(const GuestRoot& root);

// Edits the configuration of all of them, and what the guest's own tools make it from later.
// `more`: kernel arguments of the target.
absl::Status ConvertBootLoaders(GuestRoot& root, const StableName& stable,
                                const std::vector<std::string>& more = {});

// FAILED_PRECONDITION: an entry boots from a device name that the target does not have.
absl::Status VerifyBootLoaders(const GuestRoot& root);

}  // namespace godwit::convert
