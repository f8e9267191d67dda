#include "services/conversion/converter/kernels.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/conversion/converter/modules.h"

namespace godwit::convert {
namespace {

constexpr std::size_t kMaxKernels = 16;
constexpr std::size_t kMaxText = std::size_t{16} << 20;
constexpr char kBackup[] = ".pre-migration";
// Where the EFI system partition is mounted.
constexpr const char* kEsp[] = {"boot/efi", "efi", "boot"};

// The release of the kernel /boot/vmlinuz-<suffix>: the suffix itself, or that of the module tree
// made for the package of that name (Arch: "linux", Alpine: "lts"). "" when it has no tree.
std::string ReleaseOf(const GuestRoot& root, const std::string& suffix) {
  if (!ModuleTree(root, suffix).empty()) return suffix;
  std::string newest;
  for (const char* folder : {"lib/modules", "usr/lib/modules"}) {
    for (const std::string& release : root.List(folder)) {
      const absl::StatusOr<std::string> package =
          root.Read(absl::StrCat(folder, "/", release, "/pkgbase"), 4096);
      const bool own = package.ok() ? absl::StripAsciiWhitespace(*package) == suffix
                                    : absl::EndsWith(release, "-" + suffix);
      if (own && !ModuleTree(root, release).empty() && NaturalLess(newest, release))
        newest = release;
    }
  }
  return newest;
}

// Names of modules that the kernel has, in its tree or built in.
std::vector<std::string> ModulesIn(const GuestRoot& root, const GuestKernel& kernel,
                                   const std::string& config) {
  const std::string tree = ModuleTree(root, kernel.release);
  std::vector<std::string> names;
  for (const char* index : {"/modules.dep", "/modules.builtin"}) {
    const absl::StatusOr<std::string> text = root.Read(tree + index, kMaxText);
    if (!text.ok()) continue;
    for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty()))
      names.push_back(ModuleName(std::string(line.substr(0, line.find(':')))));
  }
  // Kernels before 2.6.33 have no list of what is built in.
  constexpr std::pair<const char*, const char*> kBuiltIn[] = {
      {"CONFIG_VIRTIO_PCI=y", "virtio_pci"},   {"CONFIG_VIRTIO_BLK=y", "virtio_blk"},
      {"CONFIG_VIRTIO_NET=y", "virtio_net"},   {"CONFIG_BLK_DEV_SD=y", "sd_mod"},
      {"CONFIG_BLK_DEV_SR=y", "sr_mod"},       {"CONFIG_SATA_AHCI=y", "ahci"},
      {"CONFIG_ATA_PIIX=y", "ata_piix"},       {"CONFIG_E1000=y", "e1000"},
      {"CONFIG_SCSI_VIRTIO=y", "virtio_scsi"}, {"CONFIG_BLK_DEV_NVME=y", "nvme"}};
  for (const absl::string_view line : absl::StrSplit(config, '\n')) {
    for (const auto& [option, name] : kBuiltIn) {
      if (line == option) names.emplace_back(name);
    }
  }
  return names;
}

// Drivers of disk controllers that targets have.
bool IsDiskDriver(const std::string& module) {
  for (const char* name : {"virtio_blk", "virtio_scsi", "nvme", "ahci", "ata_piix", "vmw_pvscsi",
                           "mptspi", "hv_storvsc", "xen_blkfront"}) {
    if (module == name) return true;
  }
  return false;
}

void Classify(const GuestRoot& root, const std::vector<std::string>& more, GuestKernel* kernel) {
  const std::string config =
      root.Read(absl::StrCat("boot/config-", kernel->release), kMaxText).value_or("");
  const std::vector<std::string> modules = ModulesIn(root, *kernel, config);
  const auto has = [&](const std::string& name) {
    return std::find(modules.begin(), modules.end(), name) != modules.end();
  };
  for (const std::string& module : WantedModules(more)) {
    if (!has(module)) kernel->missing_modules.push_back(module);
  }
  std::vector<std::string> drivers;
  std::copy_if(more.begin(), more.end(), std::back_inserter(drivers), IsDiskDriver);
  if (drivers.empty()) drivers = {"virtio_blk", "virtio_scsi"};
  kernel->finds_disks = std::any_of(drivers.begin(), drivers.end(), has);
  // Red Hat 5: 2.6.18-398.el5xen, SUSE 11: 3.0.101-108-xen; such kernels have no other entry point.
  const std::string& release = kernel->release;
  kernel->xen_only = absl::EndsWith(release, "xen") || absl::EndsWith(release, "xenU") ||
                     absl::StrContains(config, "CONFIG_X86_64_XEN=y\n") ||
                     absl::StrContains(config, "CONFIG_X86_XEN=y\n");
  kernel->diagnostic = absl::StrContains(release, "debug") || absl::StrContains(release, "kdump") ||
                       absl::StrContains(kernel->image, "rescue");
}

void AddKernel(const GuestRoot& root, const std::vector<std::string>& more, GuestKernel kernel,
               std::vector<GuestKernel>* kernels) {
  if (kernels->size() >= kMaxKernels) return;
  Classify(root, more, &kernel);
  kernels->push_back(std::move(kernel));
}

}  // namespace

const std::vector<std::string>& TargetModules() {
  static const auto& modules = *new std::vector<std::string>{
      "virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "sd_mod",   "sr_mod",
      "ahci",       "ata_piix",   "nvme",        "e1000",      "e1000e",   "vmw_pvscsi",
      "vmxnet3",    "ena",        "hv_vmbus",    "hv_storvsc", "hv_netvsc"};
  return modules;
}

std::vector<std::string> WantedModules(const std::vector<std::string>& more) {
  std::vector<std::string> modules = TargetModules();
  for (const std::string& module : more) {
    if (std::find(modules.begin(), modules.end(), module) == modules.end())
      modules.push_back(module);
  }
  return modules;
}

std::string ModuleTree(const GuestRoot& root, const std::string& release) {
  for (const char* folder : {"lib/modules/", "usr/lib/modules/"}) {
    if (root.Exists(absl::StrCat(folder, release, "/modules.dep")))
      return absl::StrCat(folder, release);
  }
  return "";
}

bool NaturalLess(const std::string& a, const std::string& b) {
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (isdigit(static_cast<unsigned char>(a[i])) && isdigit(static_cast<unsigned char>(b[j]))) {
      std::size_t x = i, y = j;
      while (x < a.size() && isdigit(static_cast<unsigned char>(a[x]))) ++x;
      while (y < b.size() && isdigit(static_cast<unsigned char>(b[y]))) ++y;
      std::string m = a.substr(i, x - i), n = b.substr(j, y - j);
      m.erase(0, m.find_first_not_of('0'));
      n.erase(0, n.find_first_not_of('0'));
      if (m.size() != n.size()) return m.size() < n.size();
      if (m != n) return m < n;
      i = x;
      j = y;
    } else {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i;
      ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

std::vector<GuestKernel> FindKernels(const GuestRoot& root, Findings* findings,
                                     const std::vector<std::string>& more) {
  std::vector<GuestKernel> kernels;
  for (const std::string& name : root.List("boot")) {
    if (!absl::StartsWith(name, "vmlinuz-") || absl::EndsWith(name, kBackup)) continue;
    const std::string suffix = name.substr(8);
    GuestKernel kernel{.release = ReleaseOf(root, suffix), .image = "boot/" + name};
    if (kernel.release.empty()) {
      // Rescue images carry their modules in their initramfs.
      if (findings != nullptr && !absl::StrContains(suffix, "rescue")) {
        findings->push_back({"WARNING", "NO_MODULES",
                             absl::StrCat("/boot/", name, " has no modules in /lib/modules"),
                             "it is left alone: remove it, or install its package again"});
      }
      continue;
    }
    for (const std::string& image :
         {absl::StrCat("boot/initrd.img-", suffix), absl::StrCat("boot/initramfs-", suffix, ".img"),
          absl::StrCat("boot/initrd-", suffix, ".img"), absl::StrCat("boot/initrd-", suffix),
          absl::StrCat("boot/initramfs-", suffix)}) {
      if (kernel.initramfs.empty() && root.Exists(image)) kernel.initramfs = image;
    }
    AddKernel(root, more, std::move(kernel), &kernels);
  }
  // kernel-install(8): ESP/MACHINE-ID/RELEASE/{linux,initrd}.
  const std::string machine(
      absl::StripAsciiWhitespace(root.Read("etc/machine-id", 4096).value_or("")));
  for (const char* esp : kEsp) {
    if (machine.size() != 32) break;
    for (const std::string& release : root.List(absl::StrCat(esp, "/", machine))) {
      const std::string folder = absl::StrCat(esp, "/", machine, "/", release);
      if (!root.Exists(folder + "/linux") || ModuleTree(root, release).empty()) continue;
      AddKernel(root, more,
                {.release = release,
                 .image = folder + "/linux",
                 .initramfs = root.Exists(folder + "/initrd") ? folder + "/initrd" : ""},
                &kernels);
    }
  }
  std::sort(kernels.begin(), kernels.end(), [](const GuestKernel& a, const GuestKernel& b) {
    return NaturalLess(a.release, b.release);
  });
  return kernels;
}

void FindSealedImages(const GuestRoot& root, std::vector<std::string>* unified,
                      Findings* findings) {
  for (const char* esp : kEsp) {
    const std::string folder = absl::StrCat(esp, "/EFI/Linux");
    for (const std::string& name : root.List(folder)) {
      if (absl::EndsWith(name, ".efi")) unified->push_back(absl::StrCat(folder, "/", name));
    }
  }
  if (!unified->empty()) {
    findings->push_back({"WARNING", "UNIFIED_KERNEL_IMAGE",
                         absl::StrCat("/", absl::StrJoin(*unified, ", /"),
                                      ": kernel and initramfs are one (perhaps signed) file"),
                         "it is left alone; convert in mode REGENERATE, and the guest's own tools "
                         "build it again with the target's drivers"});
  }
  if (root.Exists("ostree/repo")) {
    findings->push_back({"BLOCKER", "OSTREE", "the system is an image that ostree composes",
                         "its files must not be edited: deploy it anew on the target, or build "
                         "the image with the target's drivers"});
  }
}

int BestKernel(const std::vector<GuestKernel>& kernels) {
  int best = -1;
  for (int i = 0; i < static_cast<int>(kernels.size()); ++i) {
    const GuestKernel& kernel = kernels[static_cast<std::size_t>(i)];
    if (!kernel.Usable()) continue;
    // Newest last: a later one wins, unless it is for diagnosis and the one so far is not.
    if (best >= 0 && kernel.diagnostic && !kernels[static_cast<std::size_t>(best)].diagnostic)
      continue;
    best = i;
  }
  return best;
}

}  // namespace godwit::convert
