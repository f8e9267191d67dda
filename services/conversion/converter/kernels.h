// The kernels of a guest: which there are, what drivers they have, which of them the target can
// use.
#pragma once

#include <string>
#include <vector>

#include "services/conversion/converter/finding.h"
#include "services/conversion/converter/guest_root.h"

namespace godwit::convert {

// Drivers that a machine on any supported target may need to find its disks and network.
const std::vector<std::string>& TargetModules();

// TargetModules() and those of `more` that are not among them.
std::vector<std::string> WantedModules(const std::vector<std::string>& more);

struct GuestKernel {
  std::string release;
  std::string image;      // path in the guest, "boot/vmlinuz-..."
  std::string initramfs;  // path in the guest; "" when it has none
  std::vector<std::string>
      missing_modules;      // asked for and neither in the module tree nor built in
  bool is_default = false;  // what the boot loader starts
  bool xen_only = false;    // runs under the Xen hypervisor only
  bool diagnostic = false;  // debug and rescue kernels
  bool finds_disks = true;  // has a driver for the target's disks
  bool Usable() const { return !xen_only && finds_disks; }
};

// "lib/modules/RELEASE" or "usr/lib/modules/RELEASE"; "" when there is none with a modules.dep.
std::string ModuleTree(const GuestRoot& root, const std::string& release);

// Numbers inside of names compare as numbers: 6.1.0-9 comes before 6.1.0-10.
bool NaturalLess(const std::string& a, const std::string& b);

// Kernels that have both an image in /boot (or the EFI system partition, as kernel-install(8) lays
// it out) and a module tree, newest version last. At most 16. Images without modules are named in
// findings, when given.
// `more`: modules that the target's profile asks for besides TargetModules(); disk drivers among
// them are those that a kernel must have one of (virtio_blk or virtio_scsi when there are none).
std::vector<GuestKernel> FindKernels(const GuestRoot& root, Findings* findings = nullptr,
                                     const std::vector<std::string>& more = {});

// What is no kernel with an initramfs beside it, and is left alone: unified kernel images (named in
// *unified) and trees of ostree.
void FindSealedImages(const GuestRoot& root, std::vector<std::string>* unified, Findings* findings);

// The best of the kernels: usable, no debug kernel, newest; -1 when the target can use none.
int BestKernel(const std::vector<GuestKernel>& kernels);

}  // namespace godwit::convert
