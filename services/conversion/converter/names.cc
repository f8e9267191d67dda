#include "services/conversion/converter/names.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "services/conversion/converter/superblock.h"

namespace godwit::convert {
namespace {

constexpr absl::string_view kByPath = "/dev/disk/by-path/";
constexpr absl::string_view kById = "/dev/disk/by-id/";

// What a name by content says: the field it is about and its value.
struct Tag {
  std::string kind, value;
};
std::optional<Tag> ParseTag(const std::string& name) {
  constexpr std::pair<absl::string_view, const char*> kPrefixes[] = {
      {"UUID=", "uuid"},
      {"LABEL=", "label"},
      {"PARTUUID=", "partuuid"},
      {"PARTLABEL=", "partlabel"},
      {"/dev/disk/by-uuid/", "uuid"},
      {"/dev/disk/by-label/", "label"},
      {"/dev/disk/by-partuuid/", "partuuid"},
      {"/dev/disk/by-partlabel/", "partlabel"}};
  for (const auto& [prefix, kind] : kPrefixes) {
    if (!absl::StartsWith(name, prefix)) continue;
    std::string value = name.substr(prefix.size());
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
      value = value.substr(1, value.size() - 2);
    // udev writes a blank in a link's name as \x20.
    return Tag{kind, absl::StrReplaceAll(value, {{"\\x20", " "}})};
  }
  return std::nullopt;
}

bool Matches(const Volume& volume, const Tag& tag) {
  if (tag.value.empty()) return false;
  if (tag.kind == "uuid") return absl::EqualsIgnoreCase(volume.uuid, tag.value);
  if (tag.kind == "label") return volume.label == tag.value;
  if (tag.kind == "partuuid") return absl::EqualsIgnoreCase(volume.part_uuid, tag.value);
  return volume.part_label == tag.value;
}

// "/dev/disk/by-path/pci-0000:00:1f.2-ata-1-part2" -> the same without "-part2", 2.
struct HardwareName {
  std::string disk;
  int partition = 0;
};
HardwareName SplitHardwareName(const std::string& name) {
  HardwareName split{.disk = name};
  const std::size_t at = name.rfind("-part");
  int number = 0;
  if (at != std::string::npos && absl::SimpleAtoi(name.substr(at + 5), &number) && number > 0 &&
      number < 1000) {
    split = {.disk = name.substr(0, at), .partition = number};
  }
  return split;
}

bool IsHardwareName(const std::string& name) {
  return absl::StartsWith(name, kByPath) || absl::StartsWith(name, kById);
}

// A name that LVM, md, LUKS or a file system brings along: the target has it, too.
bool LivesOnDisk(const std::string& name) {
  if (ParseTag(name) || absl::StartsWith(name, "/dev/mapper/") ||
      absl::StartsWith(name, "/dev/md/"))
    return true;
  // "/dev/vg0/root"; other folders in /dev are the kernel's and udev's.
  const std::size_t slash = name.find('/', 5);
  if (!absl::StartsWith(name, "/dev/") || slash == std::string::npos) return false;
  const std::string folder = name.substr(5, slash - 5);
  return folder != "disk" && folder != "cciss" && folder != "ida" && folder != "rd" &&
         folder != "block" && folder != "shm" && folder != "pts";
}

// Whether a volume can be used as this type.
bool Fits(const Volume& volume, const std::string& type) {
  if (type.empty() || type == "auto" || type == "none") return !volume.type.empty();
  if (IsExt(type)) return IsExt(volume.type);
  if (type == "msdos" || type == "vfat") return volume.type == "vfat";
  if (type == "crypto") return volume.type == "luks";
  return volume.type == type;
}

}  // namespace

bool IsTag(const std::string& name) {
  return absl::StartsWith(name, "UUID=") || absl::StartsWith(name, "LABEL=") ||
         absl::StartsWith(name, "PARTUUID=") || absl::StartsWith(name, "PARTLABEL=");
}

std::string UnescapeFstab(const std::string& text) {
  return absl::StrReplaceAll(text, {{"\\040", " "}, {"\\011", "\t"}, {"\\134", "\\"}});
}

const Volume* Names::Find(const std::string& name) const {
  const std::optional<Tag> tag = ParseTag(name);
  for (const Volume& volume : volumes_) {
    if (volume.member) continue;
    if (volume.source_device == name) return &volume;
    if (std::find(volume.source_names.begin(), volume.source_names.end(), name) !=
        volume.source_names.end())
      return &volume;
    // What a container holds has the name, not the container.
    if (tag && Matches(volume, *tag)) return &volume;
  }
  return IsHardwareName(name) ? FindByHardware(name) : nullptr;
}

const Volume* Names::FindByHardware(const std::string& name) const {
  const HardwareName wanted = SplitHardwareName(name);
  std::set<int> disks;
  for (const Volume& volume : volumes_) {
    if (volume.disk >= 0) disks.insert(volume.disk);
  }
  const auto on_disk = [&](int disk, int partition) -> const Volume* {
    for (const Volume& volume : volumes_) {
      if (volume.disk == disk && volume.partition == partition && volume.kind != "md")
        return &volume;
    }
    return nullptr;
  };
  // A disk is possible when all that is said of its name can be there.
  const Volume* found = nullptr;
  for (const int disk : disks) {
    const Volume* const volume = on_disk(disk, wanted.partition);
    if (volume == nullptr) continue;
    const bool possible = std::all_of(uses_.begin(), uses_.end(), [&](const NameUse& use) {
      if (!IsHardwareName(use.name)) return true;
      const HardwareName other = SplitHardwareName(use.name);
      if (other.disk != wanted.disk) return true;
      const Volume* const there = on_disk(disk, other.partition);
      return there != nullptr && Fits(*there, use.type);
    });
    if (!possible) continue;
    if (found != nullptr) return nullptr;
    found = volume;
  }
  return found;
}

std::string Names::UniqueName(const Volume& volume) const {
  const auto shared = [&](const std::string& value, std::string Volume::*field) {
    return std::count_if(volumes_.begin(), volumes_.end(), [&](const Volume& other) {
             return !other.member && other.*field == value;
           }) > 1;
  };
  if (!volume.uuid.empty() && !shared(volume.uuid, &Volume::uuid)) return "UUID=" + volume.uuid;
  if (!volume.part_uuid.empty() && !shared(volume.part_uuid, &Volume::part_uuid))
    return "PARTUUID=" + volume.part_uuid;
  return volume.uuid.empty() ? "" : "UUID=" + volume.uuid;
}

std::optional<std::string> Names::Stable(const std::string& name) const {
  const Volume* const volume = Find(name);
  if (volume == nullptr) {
    if (!complete_ && LivesOnDisk(name)) return name;
    return std::nullopt;
  }
  if (LivesOnDisk(name)) return name;
  const std::string stable = UniqueName(*volume);
  if (!stable.empty()) return stable;
  // Nothing has an id: the mapper's and the array's names are still better than the kernel's.
  if (volume->kind == "lvm" || volume->kind == "luks") return volume->source_device;
  return std::nullopt;
}

std::vector<Finding> Names::Ambiguous() const {
  std::vector<Finding> findings;
  std::set<std::string> seen;
  for (const Volume& volume : volumes_) {
    if (volume.uuid.empty() || volume.member || volume.type == "md" || volume.type == "lvm")
      continue;
    if (!seen.insert(volume.uuid).second) {
      findings.push_back({"WARNING", "DUPLICATE_UUID",
                          absl::StrCat(volume.source_device, " has the UUID of another volume (",
                                       volume.uuid, ")"),
                          "give one of them another UUID on the source (tune2fs -U, xfs_admin -U), "
                          "or leave its disk out"});
    }
  }
  return findings;
}

}  // namespace godwit::convert
