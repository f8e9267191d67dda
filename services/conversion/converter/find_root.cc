#include "services/conversion/converter/find_root.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/editors.h"
#include "services/conversion/converter/initramfs.h"
#include "services/conversion/converter/root_choice.h"
#include "services/conversion/converter/superblock.h"

namespace godwit::convert {
namespace {

constexpr std::size_t kMaxCandidates = 16;
constexpr std::size_t kMaxMenu = 4 << 20;

bool LooksLikeRoot(const GuestRoot& root) {
  return root.Exists("etc/fstab") &&
         (root.Exists("usr/lib/os-release") || root.Exists("etc/os-release"));
}

// What boot loaders on a volume start by default: its own system's, or it is a /boot.
void ReadMenus(const GuestRoot& root, std::vector<std::string>* menus) {
  for (const char* folder : {"boot/grub", "boot/grub2", "grub", "grub2"}) {
    const absl::StatusOr<std::string> menu = root.Read(absl::StrCat(folder, "/grub.cfg"), kMaxMenu);
    if (!menu.ok()) continue;
    const std::string environment = root.Read(absl::StrCat(folder, "/grubenv"), 65536).value_or("");
    std::string name = DefaultRoot(*menu, environment);
    // Fedora's menu has no entries of its own: they are files.
    const std::string entries =
        absl::StartsWith(folder, "boot/") ? "boot/loader/entries/" : "loader/entries/";
    const std::vector<std::string> files = root.List(entries);
    if (name.empty() && !files.empty()) {
      const std::string saved = SavedEntry(environment) + ".conf";
      const bool known = std::find(files.begin(), files.end(), saved) != files.end();
      const auto entry = root.Read(entries + (known ? saved : files.back()), 65536);
      if (entry.ok()) name = EntryRoot(*entry, environment);
    }
    if (!name.empty()) menus->push_back(std::move(name));
  }
}

// What is known after a look at every volume.
struct Found {
  std::vector<GuestMount> mounts;
  std::vector<Candidate> candidates;
  std::vector<std::string> menus;  // root= of default entries, in the order of the volumes
};

std::string NameOf(const Volume& volume, const std::string& subvolume) {
  return subvolume.empty() ? volume.source_device
                           : absl::StrCat(volume.source_device, "[", subvolume, "]");
}

// The subvolume that the system itself mounts as its root, when it is another one than `subvolume`.
std::string OwnSubvolume(const GuestRoot& root, const std::string& subvolume) {
  for (const FstabEntry& entry : ParseFstab(root.Read("etc/fstab").value_or(""))) {
    std::string own = entry.Option("subvol");
    while (!own.empty() && own[0] == '/') own.erase(0, 1);
    if (entry.mount_point == "/" && !own.empty()) return own;
  }
  return subvolume;
}

// Whether a system was found there.
bool LookAt(const std::string& where, std::size_t index, const Volume& volume,
            const std::string& subvolume, Found* found, Findings* findings) {
  const absl::Status mounted = MountVolume(volume, where, /*read_only=*/true, subvolume);
  if (!mounted.ok()) {
    // One that the checker has named already, or a subvolume that need not be there.
    if (subvolume.empty() && volume.damage.empty()) {
      findings->push_back(
          {"WARNING", "DAMAGED_FILE_SYSTEM",
           absl::StrCat(volume.source_device, " cannot be mounted (", mounted.message(), ")"),
           "repair it on the source, then take a new point"});
    }
    return false;
  }
  bool is_root = false;
  {
    const absl::StatusOr<GuestRoot> root = GuestRoot::Open(where);
    if (root.ok()) {
      is_root = LooksLikeRoot(*root) && found->mounts.size() < kMaxCandidates;
      ReadMenus(*root, &found->menus);
      if (is_root) {
        const absl::StatusOr<std::string> release = root->Read("etc/os-release", 65536);
        found->mounts.push_back({index, "/", OwnSubvolume(*root, subvolume)});
        found->candidates.push_back(
            {.name = NameOf(volume, subvolume),
             .full_string = release.ok() ? OsReleaseValue(*release, "PRETTY_NAME") : "",
             .boots = !FindKernels(*root).empty()});
      }
    }
  }
  Unmount(where).IgnoreError();
  return is_root;
}

}  // namespace

absl::StatusOr<std::optional<GuestMount>> FindRoot(const std::string& where,
                                                   std::vector<Volume>* volumes, bool complete,
                                                   Outcome* outcome) {
  Found found;
  for (std::size_t i = 0; i < volumes->size(); ++i) {
    const Volume& volume = (*volumes)[i];
    if (!IsLinuxFileSystem(volume.type) || volume.member) continue;
    // The names that installers give the root's subvolume, after the default one.
    std::vector<std::string> subvolumes = {""};
    if (volume.type == "btrfs") subvolumes = {"", "@", "@rootfs", "root", "@root"};
    for (const std::string& subvolume : subvolumes) {
      if (LookAt(where, i, volume, subvolume, &found, &outcome->findings)) break;
    }
  }
  if (found.mounts.empty()) return std::optional<GuestMount>();
  const Names names(*volumes, complete);
  std::vector<std::size_t> named;
  for (const std::string& menu : found.menus) {
    const Volume* const volume = names.Find(menu);
    for (std::size_t i = 0; i < found.mounts.size() && volume != nullptr; ++i) {
      if (&(*volumes)[found.mounts[i].volume] == volume) named.push_back(i);
    }
  }
  const RootChoice choice = ChooseRoot(found.candidates, named);
  for (const Candidate& candidate : found.candidates)
    outcome->inspection.installations.push_back(
        absl::StrCat(candidate.name, ": ", candidate.full_string));
  if (found.candidates.size() > 1) {
    outcome->findings.push_back(
        {"NOTE", "SEVERAL_SYSTEMS",
         absl::StrCat("the disks hold ", found.candidates.size(), " Linux systems (",
                      absl::StrJoin(outcome->inspection.installations, "; "), ")"),
         absl::StrCat("the one on ", found.candidates[choice.index].name,
                      " is converted: ", choice.reason)});
  }
  return std::optional<GuestMount>(found.mounts[choice.index]);
}

}  // namespace godwit::convert
