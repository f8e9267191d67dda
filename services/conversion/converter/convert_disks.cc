#include "services/conversion/converter/convert_disks.h"

#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/firmware_steps.h"
#include "services/conversion/converter/guest_root.h"
#include "services/conversion/converter/manifest.h"
#include "services/conversion/converter/scripts.h"
#include "services/conversion/converter/undo.h"

namespace godwit::convert {
namespace {

bool Mountable(const Volume& volume) { return volume.type == "ext4" || volume.type == "xfs"; }

bool LooksLikeRoot(const std::string& where) {
  const absl::StatusOr<GuestRoot> root = GuestRoot::Open(where);
  return root.ok() && root->Exists("etc/fstab") &&
         (root->Exists("usr/lib/os-release") || root->Exists("etc/os-release"));
}

// Mount points of the guest below its root, by its fstab: those that a conversion needs.
void FindMountPoints(const std::string& fstab, std::vector<Volume>* volumes) {
  for (const absl::string_view line : absl::StrSplit(fstab, '\n')) {
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (words.size() < 3 || words[0][0] == '#') continue;
    for (Volume& volume : *volumes) {
      const bool same =
          words[0] == volume.source_device ||
          (!volume.uuid.empty() &&
           (words[0] == "UUID=" + volume.uuid || words[0] == "/dev/disk/by-uuid/" + volume.uuid)) ||
          (!volume.label.empty() && (words[0] == "LABEL=" + volume.label ||
                                     words[0] == "/dev/disk/by-label/" + volume.label));
      if (same && volume.mount_point.empty() && absl::StartsWith(words[1], "/"))
        volume.mount_point = words[1];
    }
  }
}

absl::Status ConvertMounted(const Job& job, const std::string& where, Outcome* outcome,
                            const Firmware& firmware, const Progress& progress) {
  ASSIGN_OR_RETURN(GuestRoot root, GuestRoot::Open(where));
  if (!job.action.empty()) return DiffOrUndo(root, job, firmware, outcome);
  absl::Status status = ConvertTree(root, job, outcome, progress);
  if (status.ok()) {
    progress("firmware");
    status = ApplyFirmware(firmware, root, job, outcome);
    if (status.ok()) status = RunScripts(where, job.scripts, root, outcome);
    outcome->changes = root.changes();
    if (!job.dry_run) status.Update(SaveManifest(root));
  }
  for (Volume& volume : outcome->volumes) {
    if (volume.mount_point == "/") {
      if (const auto room = root.FreeBytes("."); room.ok()) volume.free_bytes = *room;
    }
  }
  return status;
}

}  // namespace

absl::Status ConvertDisks(const Job& job, const std::string& where, Outcome* outcome,
                          const Progress& progress) {
  progress("looking at the disks");
  ASSIGN_OR_RETURN(outcome->volumes, FindVolumes(job.source_disks));
  ASSIGN_OR_RETURN(const Firmware firmware, InspectFirmware(job, outcome));
  progress("checking file systems");
  Volume* root = nullptr;
  for (Volume& volume : outcome->volumes) {
    if (!Mountable(volume)) continue;
    if (!job.dry_run) RETURN_IF_ERROR(CheckVolume(volume));
    if (root != nullptr) continue;
    RETURN_IF_ERROR(MountVolume(volume, where, job.dry_run));
    if (LooksLikeRoot(where)) {
      root = &volume;
    } else {
      RETURN_IF_ERROR(Unmount(where));
    }
  }
  if (root == nullptr) {
    for (const Volume& volume : outcome->volumes) {
      if (volume.type == "lvm" || volume.type == "luks" || volume.type == "md") {
        return absl::UnimplementedError(absl::StrCat(
            "no Linux system was found on a plain partition, and ", volume.source_device, " holds ",
            volume.type, ", which this converter does not open"));
      }
    }
    return absl::FailedPreconditionError(
        "no Linux system was found on the disks (ext or XFS with /etc/fstab)");
  }
  root->mount_point = "/";
  std::vector<std::string> mounted = {where};
  absl::Status status;
  {
    // Inside of the root only: it may be a link, or a FIFO that would hold us for ever.
    ASSIGN_OR_RETURN(const GuestRoot tree, GuestRoot::Open(where));
    const absl::StatusOr<std::string> fstab = tree.Read("etc/fstab", 1 << 20);
    if (fstab.ok()) FindMountPoints(*fstab, &outcome->volumes);
  }
  for (const char* point : {"/boot", "/usr", "/var", "/boot/efi", "/efi"}) {
    for (const Volume& volume : outcome->volumes) {
      if (volume.mount_point != point || !status.ok() ||
          (!Mountable(volume) && volume.type != "vfat"))
        continue;
      status = MountVolume(volume, where + point, job.dry_run);
      if (status.ok()) mounted.push_back(where + point);
    }
  }
  if (status.ok()) status = ConvertMounted(job, where, outcome, firmware, progress);
  progress("unmounting");
  sync();
  for (auto point = mounted.rbegin(); point != mounted.rend(); ++point)
    status.Update(Unmount(*point));
  RETURN_IF_ERROR(status);
  for (const Volume& volume : outcome->volumes) {
    if (Mountable(volume) && !job.dry_run) RETURN_IF_ERROR(CheckVolume(volume));
  }
  return absl::OkStatus();
}

}  // namespace godwit::convert
