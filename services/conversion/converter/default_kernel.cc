// ConvertDefaultKernel: what the menus say against what the kernels are.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/boot_menu.h"
#include "services/conversion/converter/edit_file.h"

namespace godwit::convert {
namespace {

constexpr char kStep[] = "kernel";
constexpr char kSummary[] = "a kernel that the target can run is the default";

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

// Index of the kernel that an entry starts; -1 when it is none of them (a hypervisor, memtest).
int KernelOf(const std::vector<GuestKernel>& kernels, const std::string& path) {
  for (std::size_t i = 0; i < kernels.size(); ++i) {
    const std::string image = "/" + kernels[i].image;
    const bool same = BaseName(image) == "linux" ? absl::EndsWith(image, path) && !path.empty()
                                                 : BaseName(image) == BaseName(path);
    if (same) return static_cast<int>(i);
  }
  return -1;
}

struct MenuFile {
  std::string path, text;
  BootSyntax syntax;
  BootMenu menu;
};

// Entries of the Boot Loader Specification in the order in which loaders list them: newest first.
MenuFile EntryFolder(const GuestRoot& root, const std::string& folder) {
  MenuFile found{.syntax = BootSyntax::kEntry};
  std::vector<std::pair<std::string, BootEntry>> entries;  // version
  for (const std::string& name : root.List(folder)) {
    const absl::StatusOr<std::string> text =
        root.Read(absl::StrCat(folder, "/", name), kMaxConfiguration);
    if (!absl::EndsWith(name, ".conf") || !text.ok() || entries.size() >= 256) continue;
    std::string version = name;
    BootEntry entry{.id = name.substr(0, name.size() - 5)};
    for (const absl::string_view line : absl::StrSplit(*text, '\n')) {
      const std::vector<std::string> words =
          absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
      if (words.size() < 2) continue;
      if (words[0] == "version") version = words[1];
      if (words[0] == "linux") entry.kernel = words[1];
    }
    entries.emplace_back(version, entry);
  }
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return NaturalLess(b.first, a.first); });
  for (auto& [version, entry] : entries) found.menu.entries.push_back(std::move(entry));
  return found;
}

std::string GrubEnvironment(const GuestRoot& root) {
  for (const char* path : {"boot/grub2/grubenv", "boot/grub/grubenv"}) {
    if (root.Exists(path) && !root.IsSymlink(path)) return path;
  }
  for (const std::string& vendor : root.List("boot/efi/EFI")) {
    const std::string path = absl::StrCat("boot/efi/EFI/", vendor, "/grubenv");
    if (root.Exists(path)) return path;
  }
  return "boot/grub2/grubenv";
}

// The menu that the guest's loader shows; entries are empty when it is not understood.
MenuFile FindMenu(const GuestRoot& root) {
  const std::string environment = GrubEnvironment(root);
  const std::string block = root.Read(environment, kMaxConfiguration).value_or("");
  constexpr std::pair<const char*, BootSyntax> kMenus[] = {
      {"boot/grub/grub.cfg", BootSyntax::kGrub2},
      {"boot/grub2/grub.cfg", BootSyntax::kGrub2},
      {"boot/grub/menu.lst", BootSyntax::kGrubLegacy},
      {"boot/grub/grub.conf", BootSyntax::kGrubLegacy},
      {"boot/extlinux.conf", BootSyntax::kExtlinux},
      {"boot/extlinux/extlinux.conf", BootSyntax::kExtlinux}};
  for (const auto& [path, syntax] : kMenus) {
    const absl::StatusOr<std::string> text = root.Read(path, kMaxConfiguration);
    if (!text.ok() || root.IsSymlink(path)) continue;
    MenuFile found{path, *text, syntax, ParseBootMenu(syntax, *text)};
    if (absl::StrContains(found.menu.chosen, "saved_entry") && !found.menu.entries.empty()) {
      found.menu.chosen = GrubVariable(block, "saved_entry");
      found.path = environment;
      found.text = block;
      found.syntax = BootSyntax::kEnvironment;
    }
    if (!found.menu.entries.empty()) return found;
  }
  for (const char* folder : {"boot/loader", "boot/efi/loader", "efi/loader"}) {
    MenuFile found = EntryFolder(root, absl::StrCat(folder, "/entries"));
    if (found.menu.entries.empty()) continue;
    found.path = absl::StrCat(folder, "/loader.conf");
    const absl::StatusOr<std::string> loader = root.Read(found.path, kMaxConfiguration);
    const bool grub = root.Exists("etc/default/grub") || root.Exists("boot/grub2");
    if (grub) {
      found.path = environment;
      found.text = block;
      found.syntax = BootSyntax::kEnvironment;
      found.menu.chosen = GrubVariable(block, "saved_entry");
    } else if (loader.ok()) {
      found.text = *loader;
      for (const absl::string_view line : absl::StrSplit(*loader, '\n')) {
        const std::vector<std::string> words =
            absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
        if (words.size() > 1 && words[0] == "default")
          found.menu.chosen = std::string(absl::StripSuffix(words[1], ".conf"));
      }
    }
    return found;
  }
  return {};
}

absl::Status SetDefault(GuestRoot& root, const MenuFile& file, const std::string& id) {
  if (file.syntax == BootSyntax::kEnvironment) {
    return root.Write(kStep, file.path, SetGrubVariable(file.text, "saved_entry", id), kSummary);
  }
  if (file.syntax == BootSyntax::kEntry) {
    std::vector<std::string> lines;
    for (const absl::string_view line : absl::StrSplit(file.text, '\n')) {
      if (!absl::StartsWith(line, "default") && !line.empty()) lines.emplace_back(line);
    }
    return root.Write(kStep, file.path,
                      absl::StrCat("default ", id, ".conf\n", absl::StrJoin(lines, "\n"),
                                   lines.empty() ? "" : "\n"),
                      kSummary);
  }
  return root.Write(kStep, file.path, SetBootDefault(file.syntax, file.text, id), kSummary);
}

void ReportUseless(const std::vector<GuestKernel>& kernels, Findings* findings) {
  const bool xen = std::all_of(kernels.begin(), kernels.end(),
                               [](const GuestKernel& kernel) { return kernel.xen_only; });
  if (xen) {
    findings->push_back({"BLOCKER", "XEN_ONLY_KERNELS",
                         absl::StrCat("every kernel (", kernels.back().release,
                                      "...) runs under the Xen hypervisor only"),
                         "install the distribution's ordinary kernel on the source"});
    return;
  }
  findings->push_back({"BLOCKER", "NO_DISK_DRIVER",
                       absl::StrCat("no kernel has a driver for the target's disks (newest: ",
                                    kernels.back().release, ")"),
                       "install a newer kernel on the source, or choose a profile with disks that "
                       "it knows (emulated: generic-ahci)"});
}

}  // namespace

absl::Status ConvertDefaultKernel(GuestRoot& root, std::vector<GuestKernel>* kernels,
                                  Findings* findings) {
  if (kernels->empty()) return absl::OkStatus();
  const int best = BestKernel(*kernels);
  if (best < 0) {
    kernels->back().is_default = true;
    ReportUseless(*kernels, findings);
    return absl::OkStatus();
  }
  GuestKernel& choice = (*kernels)[static_cast<std::size_t>(best)];
  const MenuFile file = FindMenu(root);
  const std::optional<std::size_t> entry = file.menu.Default();
  // A menu that is not understood is its owner's.
  if (!entry) {
    choice.is_default = true;
    return absl::OkStatus();
  }
  const std::string& started = file.menu.entries[*entry].kernel;
  const int present = KernelOf(*kernels, started);
  const bool foreign = present < 0 && !absl::StrContains(BaseName(started), "xen");
  if (foreign || (present >= 0 && (*kernels)[static_cast<std::size_t>(present)].Usable())) {
    (present >= 0 ? (*kernels)[static_cast<std::size_t>(present)] : choice).is_default = true;
    return absl::OkStatus();
  }
  choice.is_default = true;
  for (const BootEntry& candidate : file.menu.entries) {
    if (KernelOf(*kernels, candidate.kernel) != best) continue;
    RETURN_IF_ERROR(SetDefault(root, file, candidate.id));
    findings->push_back(
        {"WARNING", "KERNEL_CHANGED",
         absl::StrCat("the boot loader would start ", started, ", which the target cannot run"),
         absl::StrCat("it starts ", choice.release, " from now on")});
    return absl::OkStatus();
  }
  findings->push_back(
      {"WARNING", "KERNEL_UNREACHABLE",
       absl::StrCat("the boot loader starts ", started,
                    ", which the target cannot run, and has no entry for ", choice.release),
       "add an entry for that kernel on the source"});
  return absl::OkStatus();
}

}  // namespace godwit::convert
