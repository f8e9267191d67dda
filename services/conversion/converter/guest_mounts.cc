#include "services/conversion/converter/guest_mounts.h"

#include <fcntl.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/guest_root.h"
#include "services/conversion/converter/partition_table.h"
#include "services/conversion/converter/superblock.h"

namespace godwit::convert {
namespace {

// What conversions write to: configuration, and in /boot the initramfs images, whose room is
// checked where they are written.
constexpr const char* kNeeded[] = {"/usr", "/var", "/boot", "/efi", "/boot/efi"};

bool Needed(const std::string& point) {
  return std::find(std::begin(kNeeded), std::end(kNeeded), point) != std::end(kNeeded);
}

std::string Subvolume(const FstabEntry& entry) {
  std::string name = entry.Option("subvol");
  while (absl::StartsWith(name, "/")) name.erase(0, 1);
  return name;
}

// "ARRAY /dev/md0 metadata=1.2 UUID=a:b:c:d" -> the names by which mdadm.conf calls an array.
void LearnArrays(const std::string& mdadm, std::vector<Volume>* volumes) {
  for (const absl::string_view line : absl::StrSplit(mdadm, '\n')) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.size() < 3 || !absl::EqualsIgnoreCase(words[0], "array") ||
        !absl::StartsWith(words[1], "/dev/md"))
      continue;
    for (const std::string& word : words) {
      if (!absl::StartsWithIgnoreCase(word, "uuid=")) continue;
      for (Volume& volume : *volumes) {
        const auto& names = volume.source_names;
        const std::string id = "/dev/disk/by-id/md-uuid-" + absl::AsciiStrToLower(word.substr(5));
        if (volume.kind != "md" || std::find(names.begin(), names.end(), id) == names.end())
          continue;
        volume.source_names.push_back(volume.source_device);
        volume.source_device = words[1];
      }
    }
  }
}

}  // namespace

void LearnNames(const std::vector<FstabEntry>& fstab, const std::vector<CrypttabEntry>& crypttab,
                const std::string& mdadm, std::vector<Volume>* volumes, Names* names) {
  LearnArrays(mdadm, volumes);
  for (const FstabEntry& entry : fstab) names->Use({entry.device, entry.type});
  for (const CrypttabEntry& entry : crypttab) names->Use({entry.device, "crypto"});
  for (const CrypttabEntry& entry : crypttab) {
    const Volume* const outside = names->Find(entry.device);
    if (outside == nullptr || outside->type != "luks") continue;
    for (Volume& volume : *volumes) {
      if (volume.kind != "luks" || volume.lies_on != std::vector{outside->source_device}) continue;
      volume.source_names.push_back(volume.source_device);
      volume.source_device = "/dev/mapper/" + entry.name;
    }
  }
}

std::vector<GuestMount> PlanMounts(const std::vector<FstabEntry>& fstab, const Names& names,
                                   const std::string& esp_folder, std::vector<Volume>* volumes) {
  std::vector<GuestMount> mounts;
  const auto planned = [&](const std::string& point) {
    return std::any_of(mounts.begin(), mounts.end(),
                       [&](const GuestMount& mount) { return mount.mount_point == point; });
  };
  for (const FstabEntry& entry : fstab) {
    const Volume* const found = names.Find(entry.device);
    if (found == nullptr) continue;
    const auto index = static_cast<std::size_t>(found - volumes->data());
    Volume& volume = (*volumes)[index];
    const bool mounted = absl::StartsWith(entry.mount_point, "/");
    if (mounted && volume.mount_point.empty()) {
      volume.mount_point = entry.mount_point;
      volume.subvolume = Subvolume(entry);
    }
    const bool usable = IsLinuxFileSystem(volume.type) || volume.type == "vfat";
    if (Needed(entry.mount_point) && usable && !planned(entry.mount_point))
      mounts.push_back({index, entry.mount_point, Subvolume(entry)});
  }
  if (!esp_folder.empty() && !planned(esp_folder)) {
    for (std::size_t i = 0; i < volumes->size(); ++i) {
      Volume& volume = (*volumes)[i];
      if (volume.type != "vfat" || !IsEfiSystemPartition(volume.part_type) ||
          !volume.mount_point.empty())
        continue;
      volume.mount_point = esp_folder;
      mounts.push_back({i, esp_folder, ""});
      break;
    }
  }
  std::stable_sort(mounts.begin(), mounts.end(), [](const GuestMount& a, const GuestMount& b) {
    return a.mount_point.size() < b.mount_point.size();
  });
  return mounts;
}

absl::Status CheckRoom(const std::string& where, const std::string& name,
                       const std::string& mount_point) {
  const std::uint64_t needed = mount_point == "/"       ? 20 << 20
                               : mount_point == "/boot" ? 4 << 20
                                                        : 1 << 20;
  struct statvfs info;
  if (statvfs(where.c_str(), &info) != 0) return ErrnoStatus(where);
  const std::uint64_t room = std::uint64_t{info.f_bavail} * info.f_frsize;
  if (room < needed) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, " (", mount_point, ") has ", room >> 20, " MiB free, ", needed >> 20,
                     " MiB are needed: make room on the source, then take a new point"));
  }
  if (info.f_files != 0 && info.f_favail < 100) {
    return absl::FailedPreconditionError(
        absl::StrCat(name, " (", mount_point, ") has room for ", info.f_favail,
                     " more files, 100 are needed: remove files on the source, then take a new "
                     "point"));
  }
  return absl::OkStatus();
}

absl::Status MountGuest(const std::string& where, const std::vector<GuestMount>& mounts,
                        const std::vector<Volume>& volumes, bool read_only,
                        std::vector<Finding>* findings) {
  for (const GuestMount& mount : mounts) {
    const Volume& volume = volumes[mount.volume];
    if (!volume.damage.empty()) return absl::FailedPreconditionError(volume.damage);
    ASSIGN_OR_RETURN(const GuestRoot root, GuestRoot::Open(where));
    const absl::StatusOr<std::string> folder = root.PathOfFolder(mount.mount_point);
    if (!folder.ok()) {
      findings->push_back({"WARNING", "NO_MOUNT_POINT",
                           absl::StrCat(mount.mount_point, ", where ", volume.source_device,
                                        " is mounted, is no folder"),
                           "it is not looked at; make the folder on the source"});
      continue;
    }
    RETURN_IF_ERROR(MountVolume(volume, *folder, read_only, mount.subvolume));
    if (!read_only && volume.type != "vfat")
      RETURN_IF_ERROR(CheckRoom(*folder, volume.source_device, mount.mount_point));
  }
  return absl::OkStatus();
}

}  // namespace godwit::convert
