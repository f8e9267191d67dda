#include "services/conversion/converter/boot_loader.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/edit_file.h"

namespace godwit::convert {
namespace {

constexpr char kStep[] = "boot loader";
constexpr std::size_t kGrubEnvironmentBytes = 1024;
constexpr char kKernelOptions[] = "kernelopts=";

struct Place {
  const char *folder, *end;  // a file, or a folder and the end of the names in it
  BootSyntax syntax;
  const char* loader;
};
// Where boot loaders read: manuals of GRUB 2 and GRUB 0.97, the Boot Loader Specification,
// systemd-boot(7), Syslinux.
constexpr Place kPlaces[] = {
    {"boot/grub/grub.cfg", nullptr, BootSyntax::kGrub2, "grub2"},
    {"boot/grub2/grub.cfg", nullptr, BootSyntax::kGrub2, "grub2"},
    {"boot/grub2/grubenv", nullptr, BootSyntax::kEnvironment, nullptr},
    {"boot/grub/menu.lst", nullptr, BootSyntax::kGrubLegacy, "grub-legacy"},
    {"boot/grub/grub.conf", nullptr, BootSyntax::kGrubLegacy, "grub-legacy"},
    {"boot/loader/entries", ".conf", BootSyntax::kEntry, nullptr},
    {"boot/efi/loader/entries", ".conf", BootSyntax::kEntry, "systemd-boot"},
    {"efi/loader/entries", ".conf", BootSyntax::kEntry, "systemd-boot"},
    {"boot/extlinux.conf", nullptr, BootSyntax::kExtlinux, "extlinux"},
    {"boot/extlinux/extlinux.conf", nullptr, BootSyntax::kExtlinux, "extlinux"},
    {"etc/kernel/cmdline", nullptr, BootSyntax::kCommandLine, nullptr},
};

struct BootFile {
  std::string path;
  BootSyntax syntax;
  const char* loader;
};

std::vector<BootFile> BootFiles(const GuestRoot& root) {
  std::vector<BootFile> files;
  const auto add = [&](const std::string& path, const Place& place) {
    // menu.lst and grub.conf are one file under two names.
    if (root.Exists(path) && !root.IsSymlink(path))
      files.push_back({path, place.syntax, place.loader});
  };
  for (const Place& place : kPlaces) {
    if (place.end == nullptr) {
      add(place.folder, place);
      continue;
    }
    for (const std::string& name : root.List(place.folder)) {
      if (absl::EndsWith(name, place.end)) add(absl::StrCat(place.folder, "/", name), place);
    }
  }
  // On UEFI systems of Red Hat and SUSE the configuration lies beside the loader.
  for (const std::string& vendor : root.List("boot/efi/EFI")) {
    const std::string folder = absl::StrCat("boot/efi/EFI/", vendor, "/");
    add(folder + "grub.cfg", kPlaces[0]);
    add(folder + "grubenv", kPlaces[2]);
    add(folder + "grub.conf", kPlaces[4]);
  }
  return files;
}

// What a hypervisor is given: its kernel, with arguments, and its initramfs, without.
bool IsModule(const std::string& word) { return word == "module" || word == "module2"; }

// How many words come before the arguments on a line that carries some; 0: it carries none.
std::size_t WordsBefore(BootSyntax syntax, const std::string& first) {
  switch (syntax) {
    case BootSyntax::kGrub2:
      return first == "linux" || first == "linux16" || first == "linuxefi" || IsModule(first) ? 2
                                                                                              : 0;
    case BootSyntax::kGrubLegacy:
      // Under a hypervisor the kernel is a module.
      return first == "kernel" || IsModule(first) ? 2 : 0;
    case BootSyntax::kEntry:
      return first == "options" ? 1 : 0;
    case BootSyntax::kExtlinux:
      return absl::EqualsIgnoreCase(first, "append") ? 1 : 0;
    default:
      return 0;
  }
}

// The end of the `count`-th word; npos when there are fewer.
std::size_t EndOfWord(absl::string_view line, std::size_t count) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < count; ++i) {
    at = line.find_first_not_of(" \t", at);
    if (at == absl::string_view::npos) return at;
    at = std::min(line.find_first_of(" \t", at), line.size());
  }
  return at;
}

std::string EditArguments(absl::string_view arguments, const StableName& stable,
                          const std::vector<std::string>& more) {
  if (absl::StrContains(arguments, "$kernelopts")) return std::string(arguments);
  return EditKernelArguments(std::string(arguments), stable, more);
}

std::string EditEnvironment(const std::string& text, const StableName& stable,
                            const std::vector<std::string>& more) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  bool changed = false;
  for (std::string& line : lines) {
    if (!absl::StartsWith(line, kKernelOptions)) continue;
    const std::string edited =
        kKernelOptions +
        EditArguments(absl::string_view(line).substr(sizeof(kKernelOptions) - 1), stable, more);
    changed = changed || edited != line;
    line = edited;
  }
  if (!changed) return text;
  // The rest of the block is filled with '#', which follow the last line.
  while (!lines.empty() && !lines.back().empty() &&
         lines.back().find_first_not_of('#') == std::string::npos) {
    lines.pop_back();
  }
  std::string edited = absl::StrJoin(lines, "\n");
  if (edited.empty() || edited.back() != '\n') edited.push_back('\n');
  if (edited.size() > kGrubEnvironmentBytes) return text;
  edited.resize(kGrubEnvironmentBytes, '#');
  return edited;
}

}  // namespace

std::string EditBootConfig(BootSyntax syntax, const std::string& text, const StableName& stable,
                           const std::vector<std::string>& more) {
  if (syntax == BootSyntax::kEnvironment) return EditEnvironment(text, stable, more);
  if (syntax == BootSyntax::kCommandLine) {
    const absl::string_view line = absl::StripTrailingAsciiWhitespace(text);
    return line.empty() ? text : EditArguments(line, stable, more) + "\n";
  }
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (std::string& line : lines) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.empty()) continue;
    const std::size_t before = WordsBefore(syntax, std::string(words[0]));
    if (before == 0 || words.size() < before) continue;
    const std::size_t end = EndOfWord(line, before);
    // Other systems that a menu starts have no root.
    const bool may_lack_root = syntax == BootSyntax::kGrub2 && !IsModule(std::string(words[0]));
    if (!may_lack_root && !absl::StrContains(line, "root=")) continue;
    const absl::string_view arguments =
        absl::StripAsciiWhitespace(absl::string_view(line).substr(end));
    line = absl::StrCat(line.substr(0, end), " ", EditArguments(arguments, stable, more));
  }
  return absl::StrJoin(lines, "\n");
}

std::vector<std::string> FindBootLoaders(const GuestRoot& root) {
  std::vector<std::string> loaders;
  for (const BootFile& file : BootFiles(root)) {
    if (file.loader == nullptr) continue;
    if (std::find(loaders.begin(), loaders.end(), file.loader) == loaders.end())
      loaders.emplace_back(file.loader);
  }
  // Entries in /boot are GRUB's where there is one.
  if (loaders.empty() && !root.List("boot/loader/entries").empty())
    loaders.emplace_back("systemd-boot");
  return loaders;
}

absl::Status ConvertBootLoaders(GuestRoot& root, const StableName& stable,
                                const std::vector<std::string>& more) {
  for (const BootFile& file : BootFiles(root)) {
    ASSIGN_OR_RETURN(const std::string text, root.Read(file.path, kMaxConfiguration));
    RETURN_IF_ERROR(root.Write(kStep, file.path, EditBootConfig(file.syntax, text, stable, more),
                               "stable root name, serial console"));
  }
  const std::string defaults = "etc/default/grub";
  if (const absl::StatusOr<std::string> text = root.Read(defaults, kMaxConfiguration); text.ok()) {
    RETURN_IF_ERROR(root.Write(kStep, defaults, EditGrubDefaults(*text, stable, more),
                               "the same for later updates"));
  }
  return EditFile(root, kStep, "etc/update-extlinux.conf", "the same for later updates",
                  [&](const std::string& text) { return EditExtlinuxDefaults(text, stable); });
}

absl::Status VerifyBootLoaders(const GuestRoot& root) {
  for (const BootFile& file : BootFiles(root)) {
    ASSIGN_OR_RETURN(const std::string text, root.Read(file.path, kMaxConfiguration));
    for (const absl::string_view word :
         absl::StrSplit(text, absl::ByAnyChar(" \t\n\"'"), absl::SkipEmpty())) {
      for (const char* name :
           {"root=/dev/sd", "root=/dev/hd", "root=/dev/vd", "root=/dev/xvd", "root=/dev/nvme",
            "root=/dev/disk/by-path/", "root=/dev/disk/by-id/"}) {
        if (!absl::StartsWith(word, name)) continue;
        return absl::FailedPreconditionError(
            absl::StrCat("/", file.path, " boots from ", word.substr(5),
                         ", which is no volume of the migrated disks: replicate its disk too"));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace godwit::convert
