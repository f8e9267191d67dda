#include "agent/boot/plan.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/boot/boot_files.h"
#include "agent/boot/device_place.h"
#include "agent/boot/dm_table.h"
#include "agent/boot/fat_map.h"
#include "agent/boot/mounts.h"
#include "agent/boot/partitions.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"

namespace godwit::agent {
namespace {

// Tables, superblocks and their copies, LVM's and md's metadata.
constexpr std::uint64_t kEdge = std::uint64_t{1} << 20;
// LUKS: headers and key slots.
constexpr std::uint64_t kLuksBytes = std::uint64_t{16} << 20;
constexpr std::size_t kMaxFileSystems = 256;

absl::Status PickEdges(Picker& picker, const Volume& volume) {
  const std::uint64_t size = SizeOf(volume), edge = std::min(size, kEdge);
  RETURN_IF_ERROR(picker.Pick(volume, 0, edge));
  return picker.Pick(volume, size - edge, edge);
}

absl::Status PickPartition(Picker& picker, const Volume& volume) {
  RETURN_IF_ERROR(PickEdges(picker, volume));
  if (SizeOf(volume) < 512) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string head, picker.Read(volume, 0, 512));
  if (absl::StartsWith(head, "LUKS\xba\xbe"))
    return picker.Pick(volume, 0, std::min(SizeOf(volume), kLuksBytes));
  PickFat(picker, volume).IgnoreError();  // or it is no FAT volume
  return picker.spent();
}

absl::Status PickDisk(Picker& picker, std::uint32_t disk) {
  const Volume whole = PartOf(disk, 0, picker.disks()[disk].size_bytes);
  RETURN_IF_ERROR(PickPartition(picker, whole));
  ASSIGN_OR_RETURN(const std::vector<Partition> partitions, FindPartitions(picker, disk));
  for (const Partition& partition : partitions)
    RETURN_IF_ERROR(PickPartition(picker, PartOf(disk, partition.first, partition.size)));
  return absl::OkStatus();
}

// What is in memory only goes to where it belongs on the disk, as far as one can ask for that.
absl::Status WriteBack(const Mount& mount, dev_t* device) {
  const Fd folder(open(mount.mount_point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat info;
  if (!folder.valid() || fstat(folder.get(), &info) != 0) return ErrnoStatus(mount.mount_point);
  if (NameOf(info.st_dev) != mount.device)
    return absl::NotFoundError(absl::StrCat(mount.mount_point, ": hidden by another mount"));
  *device = info.st_dev;
  if (syncfs(folder.get()) != 0) return ErrnoStatus(mount.mount_point);
  // ext keeps its metadata in the cache of its device.
  const Fd below(open(PathOf(mount.device).c_str(), O_RDONLY | O_CLOEXEC));
  if (below.valid()) fsync(below.get());
  return absl::OkStatus();
}

bool IsExt(const Mount& mount) {
  return mount.type == "ext4" || mount.type == "ext3" || mount.type == "ext2";
}

// A file system to look at.
struct Settled {
  Mount mount;
  Volume volume;
  dev_t device = 0;
};

absl::StatusOr<Settled> Settle(const PlanSource& source, const Mount& mount) {
  if (!IsExt(mount) && mount.type != "xfs")
    return absl::UnimplementedError(absl::StrCat("file systems of type ", mount.type));
  Settled settled{.mount = mount};
  ASSIGN_OR_RETURN(settled.volume, FindVolume(mount.device, source.disks));
  RETURN_IF_ERROR(WriteBack(mount, &settled.device));
  return settled;
}

absl::Status AddMap(Picker& picker, const Settled& settled, InodeMaps* maps) {
  ASSIGN_OR_RETURN(std::unique_ptr<InodeMap> map, IsExt(settled.mount)
                                                      ? MakeExtMap(picker, settled.volume)
                                                      : MakeXfsMap(picker, settled.volume));
  RETURN_IF_ERROR(PickEdges(picker, settled.volume));
  RETURN_IF_ERROR(map->PickBase());
  (*maps)[settled.device] = std::move(map);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Volume> FindVolume(const std::string& device,
                                  const std::vector<std::string>& disks) {
  const auto place = [&](const std::string& part, std::uint32_t* disk) -> std::optional<ByteRange> {
    for (*disk = 0; *disk < disks.size(); ++*disk) {
      if (disks[*disk].empty()) continue;
      if (const auto range = PlaceOf(part, disks[*disk]); range) return range;
    }
    return std::nullopt;
  };
  std::uint32_t disk = 0;
  if (const auto range = place(device, &disk); range)
    return PartOf(disk, range->first, range->end - range->first);
  ASSIGN_OR_RETURN(const std::vector<LinearPart> parts, LinearParts(device));
  Volume volume;
  for (const LinearPart& part : parts) {
    const auto range = place(part.device, &disk);
    if (!range || part.at > range->end - range->first ||
        part.size > range->end - range->first - part.at)
      return absl::NotFoundError(absl::StrCat(part.device, " is on none of the disks"));
    volume.push_back(
        {.first = part.first, .size = part.size, .disk = disk, .at = range->first + part.at});
  }
  return volume;
}

FirstPlan PlanFirstBlocks(std::vector<PickedDisk> disks, const PlanSource& source,
                          const Picker::Limits& limits) {
  FirstPlan plan;
  const auto note = [&](const std::string& what, const absl::Status& status) {
    if (!status.ok()) plan.left_out.push_back(absl::StrCat(what, ": ", status.message()));
    return status.ok();
  };
  std::vector<Settled> file_systems;
  for (const Mount& mount : MountsOf(source.mountinfo, source.devices)) {
    if (file_systems.size() >= kMaxFileSystems) break;
    if (mount.type == "vfat") continue;  // found without being mounted
    auto settled = Settle(source, mount);
    if (note(mount.mount_point, settled.status())) file_systems.push_back(*std::move(settled));
  }
  Picker picker(std::move(disks), limits);  // its time begins
  const auto look = [&](const std::string& what, const absl::Status& status) {
    if (picker.spent().ok()) note(what, status);
  };
  for (std::uint32_t disk = 0; disk < picker.disks().size(); ++disk)
    look(absl::StrCat("disk ", disk), PickDisk(picker, disk));
  picker.EndStage();
  InodeMaps maps;
  for (const Settled& settled : file_systems)
    look(settled.mount.mount_point, AddMap(picker, settled, &maps));
  picker.EndStage();
  if (picker.spent().ok()) PickBootFiles(picker, source.root, maps).IgnoreError();
  if (!picker.spent().ok()) plan.left_out.push_back(std::string(picker.spent().message()));
  plan.runs = picker.Take();
  return plan;
}

}  // namespace godwit::agent
