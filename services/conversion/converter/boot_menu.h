// Which entry of its menu a boot loader starts: so that a machine does not start a kernel that the
// target cannot run. The texts are a guest's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/conversion/converter/boot_loader.h"
#include "services/conversion/converter/finding.h"
#include "services/conversion/converter/guest_root.h"
#include "services/conversion/converter/kernels.h"

namespace godwit::convert {

struct BootEntry {
  std::string id;      // what the loader's default names: a number, "1>2", a label, a file's name
  std::string title;   // another name for it; may be empty
  std::string kernel;  // path as the loader has it; a hypervisor's where one is started
};

struct BootMenu {
  std::vector<BootEntry> entries;  // at most 256
  std::string chosen;              // the default as it is written; "" when nothing is
  // Index of the default entry; nullopt when it names none of them.
  std::optional<std::size_t> Default() const;
};

// Of grub.cfg, menu.lst and extlinux.conf; other kinds have no menu in one file.
BootMenu ParseBootMenu(BootSyntax syntax, const std::string& text);

// The same text with the entry `id` as its default.
std::string SetBootDefault(BootSyntax syntax, const std::string& text, const std::string& id);

// The environment block of GRUB (1024 bytes, filled with '#') with `key` set. Unchanged when it is
// none or has no room: grub-editenv(1).
std::string SetGrubVariable(const std::string& block, const std::string& key,
                            const std::string& value);
std::string GrubVariable(const std::string& block, const std::string& key);

// Marks the kernel that the boot loader starts (the newest usable one when it does not say), and
// makes the best one the default where that one is of no use to the target. With findings:
// KERNEL_CHANGED, and as BLOCKER XEN_ONLY_KERNELS or NO_DISK_DRIVER when no kernel is of use.
absl::Status ConvertDefaultKernel(GuestRoot& root, std::vector<GuestKernel>* kernels,
                                  Findings* findings);

}  // namespace godwit::convert
