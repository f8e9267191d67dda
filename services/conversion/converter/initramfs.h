// Adds drivers to the initramfs images of a guest without running anything of it: the kernel
// unpacks concatenated archives one after the other, and later files win.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/guest_root.h"

namespace godwit::convert {

// Drivers that a machine on any supported target may need to find its disks and network.
const std::vector<std::string>& TargetModules();

struct GuestKernel {
  std::string release;
  std::string initramfs;  // path in the guest
  std::vector<std::string>
      missing_modules;  // asked for and neither in the module tree nor built in
};

// Kernels that have both an image in /boot and a module tree, newest version last (natural order of
// names). At most 16.
std::vector<GuestKernel> FindKernels(const GuestRoot& root);

// `original` (an initramfs as the guest made it) with `modules` of the kernel appended.
absl::StatusOr<std::string> AppendModules(const GuestRoot& root, const std::string& release,
                                          const std::string& original,
                                          const std::vector<std::string>& modules,
                                          GuestKernel* kernel);

// Replaces the kernel's initramfs; the original stays beside it. Doing it twice changes nothing.
// `more`: modules besides TargetModules(). FAILED_PRECONDITION when /boot has too little room.
absl::Status ConvertInitramfs(GuestRoot& root, GuestKernel* kernel,
                              const std::vector<std::string>& more = {});

}  // namespace godwit::convert
