#include "services/conversion/converter/editors.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/conversion/converter/names.h"

namespace godwit::convert {
namespace {

constexpr char kConsoles[] = "console=tty0 console=ttyS0,115200";

// A block device, and no share of another machine.
bool IsDevice(absl::string_view name) {
  return absl::StartsWith(name, "/dev/") || absl::StartsWith(name, "UUID=") ||
         absl::StartsWith(name, "LABEL=") || absl::StartsWith(name, "PARTUUID=") ||
         absl::StartsWith(name, "PARTLABEL=");
}

// Devices that are never of a disk: optical drives, floppies, virtual file systems.
bool Removable(absl::string_view device) {
  for (const absl::string_view prefix :
       {"/dev/sr", "/dev/cdrom", "/dev/fd", "/dev/dvd", "/dev/scd", "/dev/loop", "/dev/zram",
        "/dev/shm", "/dev/pts", "/dev/ram"}) {
    if (absl::StartsWith(device, prefix)) return true;
  }
  return false;
}

// Whitespace and the words between it, alternating, beginning with whitespace (may be empty).
std::vector<std::string> Pieces(absl::string_view line) {
  std::vector<std::string> pieces(1);
  bool space = true;
  for (const char c : line) {
    if (absl::ascii_isspace(static_cast<unsigned char>(c)) != space) {
      pieces.emplace_back();
      space = !space;
    }
    pieces.back().push_back(c);
  }
  return pieces;
}

// What Alpine's initramfs loads before it looks for the root: "modules=sd-mod,ext4".
void AddAlpineModules(std::string* argument) {
  std::vector<std::string> modules = absl::StrSplit(argument->substr(8), ',', absl::SkipEmpty());
  for (const char* module : {"virtio_pci", "virtio_blk", "virtio_scsi", "nvme", "ahci"}) {
    if (std::find(modules.begin(), modules.end(), module) == modules.end())
      modules.emplace_back(module);
  }
  *argument = absl::StrCat("modules=", absl::StrJoin(modules, ","));
}

}  // namespace

std::string EditFstab(const std::string& text, const StableName& stable,
                      std::vector<std::string>* unresolved) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (std::string& line : lines) {
    std::vector<std::string> pieces = Pieces(line);
    if (pieces.size() < 8 || pieces[1][0] == '#') continue;  // device, mount point, type, options
    std::string& device = pieces[1];
    if (!IsDevice(device)) continue;
    if (const std::optional<std::string> name = stable(UnescapeFstab(device))) {
      // A name that stays keeps its spelling.
      if (*name != UnescapeFstab(device)) device = *name;
    } else {
      std::string& options = pieces[7];
      const std::vector<std::string> words = absl::StrSplit(options, ',');
      const auto has = [&](absl::string_view word) {
        return std::find(words.begin(), words.end(), word) != words.end();
      };
      // The root is what the boot loader says.
      if (Removable(device) || has("noauto") || has("nofail") || pieces[3] == "/") continue;
      unresolved->push_back(device);
      absl::StrAppend(&options, ",nofail");
    }
    line = absl::StrJoin(pieces, "");
  }
  return absl::StrJoin(lines, "\n");
}

namespace {

std::string NameDevices(absl::string_view arguments, const StableName& stable) {
  std::vector<std::string> pieces = Pieces(arguments);
  for (std::string& piece : pieces) {
    for (const absl::string_view key : {"root=", "resume=", "cryptdevice=", "cryptroot="}) {
      if (!absl::StartsWith(piece, key)) continue;
      // Arch: "cryptdevice=/dev/sda2:name".
      const std::size_t end = key == "cryptdevice=" ? piece.find(':') : piece.size();
      const std::string rest = end < piece.size() ? piece.substr(end) : "";
      const std::string device = piece.substr(key.size(), std::min(end, piece.size()) - key.size());
      if (const std::optional<std::string> name = stable(device))
        piece = absl::StrCat(key, *name, rest);
    }
  }
  return absl::StrJoin(pieces, "");
}

// A line KEY=VALUE of a shell: the value without its quotes, as `edit` gives it.
std::string EditValue(absl::string_view line, absl::string_view key,
                      const std::function<std::string(absl::string_view)>& edit) {
  absl::string_view value = absl::StripAsciiWhitespace(line.substr(key.size()));
  const char quote =
      !value.empty() && (value.front() == '"' || value.front() == '\'') ? value.front() : '"';
  if (value.size() >= 2 && value.front() == quote && value.back() == quote)
    value = value.substr(1, value.size() - 2);
  return absl::StrCat(key, std::string(1, quote), edit(value), std::string(1, quote));
}

}  // namespace

std::string EditKernelArguments(const std::string& arguments, const StableName& stable,
                                const std::vector<std::string>& more) {
  std::vector<std::string> pieces = Pieces(NameDevices(arguments, stable));
  bool serial = false;
  for (std::string& piece : pieces) {
    if (absl::StartsWith(piece, "console=ttyS")) serial = true;
    if (absl::StartsWith(piece, "modules=")) AddAlpineModules(&piece);
  }
  std::string edited = absl::StrJoin(pieces, "");
  for (const std::string& word : more) {
    if (std::find(pieces.begin(), pieces.end(), word) != pieces.end()) continue;
    absl::StripTrailingAsciiWhitespace(&edited);
    absl::StrAppend(&edited, edited.empty() ? "" : " ", word);
  }
  if (serial) return edited;
  // The last console is /dev/console: the serial one, where a boot can be watched.
  absl::StripTrailingAsciiWhitespace(&edited);
  return absl::StrCat(edited, edited.empty() ? "" : " ", kConsoles);
}

std::string EditGrubDefaults(const std::string& text, const StableName& stable,
                             const std::vector<std::string>& more) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  bool seen = false;
  for (std::string& line : lines) {
    const absl::string_view trimmed = absl::StripLeadingAsciiWhitespace(line);
    if (absl::StartsWith(trimmed, "GRUB_DISABLE_LINUX_UUID=") ||
        absl::StartsWith(trimmed, "GRUB_DISABLE_UUID=")) {
      line = absl::StrCat("#", line);
      continue;
    }
    const absl::string_view later = "GRUB_CMDLINE_LINUX_DEFAULT=", key = "GRUB_CMDLINE_LINUX=";
    const std::string before(trimmed);
    if (absl::StartsWith(before, later)) {
      const std::string named = EditValue(
          before, later, [&](absl::string_view value) { return NameDevices(value, stable); });
      // A value without a device stays as it is written.
      if (absl::StrContains(before, "/dev/")) line = named;
    }
    if (!absl::StartsWith(before, key)) continue;
    seen = true;
    line = EditValue(before, key, [&](absl::string_view value) {
      return EditKernelArguments(std::string(value), stable, more);
    });
  }
  std::string edited = absl::StrJoin(lines, "\n");
  if (seen) return edited;
  if (!edited.empty() && edited.back() != '\n') edited.push_back('\n');
  absl::StrAppend(&edited, "GRUB_CMDLINE_LINUX=\"", EditKernelArguments("", stable, more), "\"\n");
  return edited;
}

std::string EditExtlinuxDefaults(const std::string& text, const StableName& stable) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (std::string& line : lines) {
    if (absl::StartsWith(line, "root=")) line = NameDevices(line, stable);
    if (absl::StartsWith(line, "modules=")) AddAlpineModules(&line);
    const std::string before = line;
    const absl::string_view key = "default_kernel_opts=";
    if (absl::StartsWith(before, key)) {
      line = EditValue(before, key, [&](absl::string_view value) {
        return EditKernelArguments(std::string(value), stable);
      });
    }
  }
  return absl::StrJoin(lines, "\n");
}

std::string EditResume(const std::string& text, const StableName& stable) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (std::string& line : lines) {
    if (!absl::StartsWith(line, "RESUME=")) continue;
    const std::string device(absl::StripAsciiWhitespace(line.substr(7)));
    if (const std::optional<std::string> name = stable(device)) line = "RESUME=" + *name;
  }
  return absl::StrJoin(lines, "\n");
}

std::string AddModules(const std::string& text, const std::vector<std::string>& modules) {
  std::string edited = text;
  if (!edited.empty() && edited.back() != '\n') edited.push_back('\n');
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  for (const std::string& module : modules) {
    if (std::find(lines.begin(), lines.end(), module) == lines.end())
      absl::StrAppend(&edited, module, "\n");
  }
  return edited;
}

std::string LinkFile(const std::string& mac, const std::string& name) {
  return absl::StrCat(
      "# Keeps the name that the card had before the migration.\n[Match]\nMACAddress=", mac,
      "\n\n[Link]\nName=", name, "\n");
}

ReleaseName OldReleaseName(const std::string& text) {
  constexpr std::pair<const char*, const char*> kNames[] = {
      {"CentOS", "centos"}, {"Red Hat", "rhel"},  {"Scientific", "scientific"},
      {"Oracle", "ol"},     {"Fedora", "fedora"}, {"SUSE", "sles"},
      {"Amazon", "amzn"}};
  ReleaseName name;
  for (const auto& [begin, id] : kNames) {
    if (name.distribution.empty() && absl::StrContains(text, begin)) name.distribution = id;
  }
  const std::size_t first = text.find_first_of("0123456789");
  if (first != std::string::npos) {
    name.version = text.substr(first, text.find_first_not_of("0123456789.", first) - first);
    name.version.resize(std::min<std::size_t>(name.version.size(), 16));
  }
  return name;
}

std::string OsReleaseValue(const std::string& text, const std::string& key) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::StartsWith(line, key + "=")) continue;
    absl::string_view value = line.substr(key.size() + 1);
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\''))
      value = value.substr(1, value.size() - 2);
    return std::string(value.substr(0, 256));
  }
  return "";
}

}  // namespace godwit::convert
