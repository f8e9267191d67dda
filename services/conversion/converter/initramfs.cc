#include "services/conversion/converter/initramfs.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/cpio.h"
#include "services/conversion/converter/guest_tools.h"
#include "services/conversion/converter/initramfs_format.h"
#include "services/conversion/converter/modules.h"
#include "services/conversion/converter/pinned_devices.h"

namespace godwit::convert {
namespace {

constexpr std::size_t kMaxInitramfs = std::size_t{400} << 20;
constexpr std::size_t kMaxModule = std::size_t{64} << 20;
constexpr std::int64_t kSpareBytes = 1 << 20;
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

// One image that gets drivers.
struct Plan {
  const GuestKernel* kernel;
  std::int64_t size;  // what it will have
};

// The default first, then the others, newest first.
std::vector<const GuestKernel*> ByImportance(const std::vector<GuestKernel>& kernels) {
  std::vector<const GuestKernel*> order;
  for (auto kernel = kernels.rbegin(); kernel != kernels.rend(); ++kernel) {
    if (kernel->xen_only) continue;  // never started on the target
    order.insert(kernel->is_default ? order.begin() : order.end(), &*kernel);
  }
  return order;
}

// The kernel's image with drivers; empty when it has them. The inner status is that of the image.
absl::StatusOr<absl::StatusOr<std::string>> NewImage(const GuestRoot& root,
                                                     const GuestKernel& kernel,
                                                     const std::vector<std::string>& modules) {
  ASSIGN_OR_RETURN(const std::string present, root.Read(kernel.initramfs, kMaxInitramfs));
  // What is appended is the same whatever it is appended to: an image that ends with it was
  // converted before.
  ASSIGN_OR_RETURN(const std::string archive, DriverArchive(root, kernel, modules));
  if (absl::EndsWith(present, archive) || absl::EndsWith(present, Lz4Frame(archive)))
    return absl::StatusOr<std::string>("");
  return AppendArchive(present, archive);
}

}  // namespace

absl::StatusOr<std::string> DriverArchive(const GuestRoot& root, const GuestKernel& kernel,
                                          const std::vector<std::string>& modules) {
  const std::string tree = ModuleTree(root, kernel.release);
  ASSIGN_OR_RETURN(const std::string dependencies, root.Read(tree + "/modules.dep"));
  const std::vector<std::string> closure = ModuleClosure(dependencies, modules);
  std::vector<std::string> loaded;
  for (const std::string& module : modules) {
    const auto is = [&](const std::string& path) { return ModuleName(path) == ModuleName(module); };
    // Drivers of Hyper-V refuse to load elsewhere; udev finds them where they belong.
    if (absl::StartsWith(module, "hv_")) continue;
    if (std::any_of(closure.begin(), closure.end(), is)) loaded.push_back(module);
  }
  // In the image "lib" may be a symlink to usr/lib: only folders below it are made, so that it
  // stays one.
  const std::string inside = absl::StrCat("lib/modules/", kernel.release);
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
  // Cards get their names where their drivers are loaded, as in an image that the guest's own tools
  // make: a card that is renamed later may be in use by then.
  for (const std::string& name : root.List("etc/systemd/network")) {
    const absl::StatusOr<std::string> text = root.Read("etc/systemd/network/" + name);
    if (absl::EndsWith(name, ".link") && text.ok())
      archive.File("etc/systemd/network/" + name, *text, "etc");
  }
  // The image names the swap volume to resume from as it was, and would wait for it.
  if (const absl::StatusOr<std::string> resume = root.Read("etc/initramfs-tools/conf.d/resume");
      resume.ok())
    archive.File("conf/conf.d/resume", *resume, "conf");
  // The image has its own copy of what kept drivers from being loaded.
  for (const std::string& name : root.List("etc/modprobe.d")) {
    const absl::StatusOr<std::string> text = root.Read("etc/modprobe.d/" + name);
    if (absl::EndsWith(name, ".conf") && text.ok() && WasAllowed(*text))
      archive.File("etc/modprobe.d/" + name, *text, "etc");
  }
  return archive.Finish();
}

absl::StatusOr<std::string> AppendArchive(const std::string& original, const std::string& archive) {
  switch (FormatOf(original)) {
    case InitramfsFormat::kEmpty:
      return absl::FailedPreconditionError("is empty");
    case InitramfsFormat::kUnknown:
      return absl::FailedPreconditionError("is no archive that a kernel unpacks");
    case InitramfsFormat::kLz4:
      return original + Lz4Frame(archive);
    default:
      break;
  }
  std::string image = original;
  image.resize((image.size() + 511) / 512 * 512, '\0');
  return image + archive;
}

absl::Status ConvertInitramfsImages(GuestRoot& root, const std::vector<GuestKernel>& kernels,
                                    const std::vector<std::string>& modules, Findings* findings) {
  std::vector<Plan> plans;
  std::int64_t needed = kSpareBytes;
  for (const GuestKernel* kernel : ByImportance(kernels)) {
    if (kernel->initramfs.empty()) {
      findings->push_back({"WARNING", "NO_INITRAMFS",
                           absl::StrCat("kernel ", kernel->release, " has no initramfs"),
                           "it boots only when the target's drivers are built in"});
      continue;
    }
    ASSIGN_OR_RETURN(const absl::StatusOr<std::string> image, NewImage(root, *kernel, modules));
    if (image.ok() && image->empty()) continue;
    if (!image.ok()) {
      const bool empty = absl::StrContains(image.status().message(), "is empty");
      findings->push_back({"WARNING", empty ? "EMPTY_INITRAMFS" : "UNREADABLE_INITRAMFS",
                           absl::StrCat("/", kernel->initramfs, " ", image.status().message()),
                           "it is left alone; convert in mode REGENERATE to have the guest's own "
                           "tools make it again"});
      continue;
    }
    plans.push_back({kernel, static_cast<std::int64_t>(image->size())});
    needed += plans.back().size;
  }
  if (plans.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(std::int64_t room, root.FreeBytes("boot"));
  const bool tight = room < needed;
  std::size_t converted = 0;
  for (const Plan& plan : plans) {
    if (room < plan.size + kSpareBytes || (tight && converted >= 2)) {
      if (converted == 0) {
        return absl::FailedPreconditionError(
            absl::StrCat("/boot has ", room >> 20, " MiB free, ", (plan.size >> 20) + 1,
                         " MiB are needed: remove old kernels on the source"));
      }
      findings->push_back({"WARNING", "BOOT_SPACE",
                           absl::StrCat("/boot has no room for drivers of kernel ",
                                        plan.kernel->release, " (", room >> 20, " MiB free)"),
                           "that kernel does not find its disks on the target; remove it on the "
                           "source"});
      continue;
    }
    // One image at a time: an appliance has little memory.
    ASSIGN_OR_RETURN(const absl::StatusOr<std::string> image,
                     NewImage(root, *plan.kernel, modules));
    RETURN_IF_ERROR(image);
    RETURN_IF_ERROR(
        root.Write("initramfs", plan.kernel->initramfs, *image, "drivers of the target appended"));
    room -= plan.size;
    ++converted;
  }
  return absl::OkStatus();
}

}  // namespace godwit::convert
