#include "services/conversion/converter/initramfs.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/cpio.h"
#include "services/conversion/converter/modules.h"
#include "services/conversion/converter/pinned_devices.h"

namespace godwit::convert {
namespace {

constexpr std::size_t kMaxInitramfs = std::size_t{400} << 20;
constexpr std::size_t kMaxModule = std::size_t{64} << 20;
constexpr std::size_t kMaxKernels = 16;
constexpr char kBackup[] = ".pre-migration";
// Of the files depmod makes, those that modprobe and udev read in the initramfs.
constexpr const char* kIndexes[] = {"modules.dep",
                                    "modules.dep.bin",
                                    "modules.alias",
                                    "modules.alias.bin",
                                    "modules.symbols",
                                    "modules.symbols.bin",
                                    "modules.softdep",
                                    "modules.builtin",
                                    "modules.builtin.bin",
                                    "modules.builtin.alias.bin",
                                    "modules.builtin.modinfo",
                                    "modules.order",
                                    "modules.devname"};

std::string ModuleTree(const GuestRoot& root, const std::string& release) {
  for (const char* folder : {"lib/modules/", "usr/lib/modules/"}) {
    if (root.Exists(absl::StrCat(folder, release, "/modules.dep")))
      return absl::StrCat(folder, release);
  }
  return "";
}

// Numbers inside of names compare as numbers: 6.1.0-9 comes before 6.1.0-10.
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

}  // namespace

const std::vector<std::string>& TargetModules() {
  static const auto& modules = *new std::vector<std::string>{
      "virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net", "sd_mod", "sr_mod",
      "ahci",       "ata_piix",   "nvme",        "e1000",      "e1000e"};
  return modules;
}

std::vector<GuestKernel> FindKernels(const GuestRoot& root) {
  std::vector<GuestKernel> kernels;
  for (const std::string& name : root.List("boot")) {
    if (!absl::StartsWith(name, "vmlinuz-") || absl::EndsWith(name, kBackup)) continue;
    const std::string suffix = name.substr(8);
    const std::string release = ReleaseOf(root, suffix);
    if (release.empty() || kernels.size() >= kMaxKernels) continue;
    GuestKernel kernel{.release = release};
    for (const std::string& image :
         {absl::StrCat("boot/initrd.img-", suffix), absl::StrCat("boot/initramfs-", suffix, ".img"),
          absl::StrCat("boot/initrd-", suffix, ".img"), absl::StrCat("boot/initrd-", suffix),
          absl::StrCat("boot/initramfs-", suffix)}) {
      if (kernel.initramfs.empty() && root.Exists(image)) kernel.initramfs = image;
    }
    kernels.push_back(std::move(kernel));
  }
  std::sort(kernels.begin(), kernels.end(), [](const GuestKernel& a, const GuestKernel& b) {
    return NaturalLess(a.release, b.release);
  });
  return kernels;
}

absl::StatusOr<std::string> AppendModules(const GuestRoot& root, const std::string& release,
                                          const std::string& original,
                                          const std::vector<std::string>& modules,
                                          GuestKernel* kernel) {
  const std::string tree = ModuleTree(root, release);
  ASSIGN_OR_RETURN(const std::string dependencies, root.Read(tree + "/modules.dep"));
  const absl::StatusOr<std::string> builtin_text = root.Read(tree + "/modules.builtin");
  std::vector<std::string> builtin;
  if (builtin_text.ok()) {
    for (const absl::string_view line : absl::StrSplit(*builtin_text, '\n'))
      builtin.push_back(ModuleName(std::string(line)));
  }
  const std::vector<std::string> closure = ModuleClosure(dependencies, modules);
  kernel->missing_modules.clear();
  std::vector<std::string> loaded;
  for (const std::string& module : modules) {
    const auto is = [&](const std::string& path) { return ModuleName(path) == ModuleName(module); };
    if (std::any_of(closure.begin(), closure.end(), is)) {
      loaded.push_back(module);
    } else if (std::none_of(builtin.begin(), builtin.end(), is)) {
      kernel->missing_modules.push_back(module);
    }
  }
  // In the image "lib" may be a symlink to usr/lib: only folders below it are made, so that it
  // stays one.
  const std::string inside = absl::StrCat("lib/modules/", release);
  CpioWriter archive;
  archive.Folder("lib/modules");
  archive.Folder(inside);
  for (const std::string& path : closure) {
    ASSIGN_OR_RETURN(const std::string content,
                     root.Read(absl::StrCat(tree, "/", path), kMaxModule));
    archive.File(absl::StrCat(inside, "/", path), content, inside);
  }
  for (const char* index : kIndexes) {
    const absl::StatusOr<std::string> content =
        root.Read(absl::StrCat(tree, "/", index), kMaxModule);
    if (content.ok()) archive.File(absl::StrCat(inside, "/", index), *content, inside);
  }
  // initramfs-tools and dracut load what is named here before they look for the root disk.
  std::string names = absl::StrJoin(loaded, "\n") + "\n";
  const absl::StatusOr<std::string> own = root.Read("etc/initramfs-tools/modules");
  std::string conf;
  if (own.ok()) {
    for (const absl::string_view line : absl::StrSplit(*own, '\n', absl::SkipEmpty())) {
      const auto listed = [&](const std::string& module) { return line == module; };
      if (line[0] != '#' && std::none_of(modules.begin(), modules.end(), listed))
        absl::StrAppend(&conf, line, "\n");
    }
  }
  archive.File("conf/modules", conf + names, "conf");
  archive.File("etc/modules-load.d/godwit.conf", names, "etc");
  for (const auto& [path, content] : PinnedFilesForInitramfs(root))
    archive.File(path, content, "etc");
  std::string image = original;
  image.resize((image.size() + 511) / 512 * 512, '\0');
  return image + archive.Finish();
}

absl::Status ConvertInitramfs(GuestRoot& root, GuestKernel* kernel) {
  ASSIGN_OR_RETURN(const std::string present, root.Read(kernel->initramfs, kMaxInitramfs));
  // What is appended is the same whatever it is appended to: an image that ends with it was
  // converted before.
  ASSIGN_OR_RETURN(const std::string archive,
                   AppendModules(root, kernel->release, "", TargetModules(), kernel));
  if (absl::EndsWith(present, archive)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string image,
                   AppendModules(root, kernel->release, present, TargetModules(), kernel));
  ASSIGN_OR_RETURN(const std::int64_t room, root.FreeBytes("boot"));
  if (room < static_cast<std::int64_t>(image.size()) + (1 << 20)) {
    return absl::FailedPreconditionError(
        absl::StrCat("/boot has ", room >> 20, " MiB free, ", (image.size() >> 20) + 1,
                     " MiB are needed: remove old kernels on the source"));
  }
  return root.Write("initramfs", kernel->initramfs, image,
                    absl::StrCat("drivers of the target appended (",
                                 (image.size() - present.size()) >> 10, " KiB)"));
}

}  // namespace godwit::convert
