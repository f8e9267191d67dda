// Kernel modules: what a driver needs besides itself.
#pragma once

#include <string>
#include <vector>

namespace godwit::convert {

// "kernel/drivers/virtio/virtio_pci.ko.xz" -> "virtio_pci"; dashes and underscores are the same.
std::string ModuleName(const std::string& path);

// Paths (relative to lib/modules/<release>) of `wanted` modules and all that they depend on, from
// the text of modules.dep, dependencies first. Modules that modules.dep does not have (built in, or
// not made for this kernel) are left out.
std::vector<std::string> ModuleClosure(const std::string& modules_dep,
                                       const std::vector<std::string>& wanted);

}  // namespace godwit::convert
