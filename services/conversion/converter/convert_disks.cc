#include "services/conversion/converter/convert_disks.h"

#include <unistd.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/devices.h"
#include "services/conversion/converter/find_root.h"
#include "services/conversion/converter/firmware_steps.h"
#include "services/conversion/converter/guest_mounts.h"
#include "services/conversion/converter/guest_root.h"
#include "services/conversion/converter/manifest.h"
#include "services/conversion/converter/scripts.h"
#include "services/conversion/converter/settle.h"
#include "services/conversion/converter/superblock.h"
#include "services/conversion/converter/undo.h"
#include "services/conversion/converter/windows/windows_disks.h"

namespace godwit::convert {
namespace {

// What every volume must be before it is mounted: of a damaged one the rest is still converted,
// when it is none that the system boots from.
void CheckAllBefore(std::vector<Volume>* volumes, std::vector<Finding>* findings) {
  for (Volume& volume : *volumes) {
    if (!IsLinuxFileSystem(volume.type) && volume.type != "vfat") continue;
    const absl::Status status = CheckBefore(volume);
    if (status.ok()) continue;
    volume.damage = std::string(status.message());
    findings->push_back({"WARNING", "DAMAGED_FILE_SYSTEM", volume.damage, "it was left alone"});
  }
}

// Of a volume that was not written to, damage is the source's own and stops nobody.
absl::Status CheckOne(const Volume& volume, std::vector<Finding>* findings) {
  const absl::Status status = CheckAfter(volume);
  if (status.ok() || volume.written || volume.type == "vfat") return status;
  const bool known = std::any_of(findings->begin(), findings->end(), [&](const Finding& finding) {
    return finding.reason == "DAMAGED_FILE_SYSTEM" &&
           absl::StrContains(finding.message, volume.source_device);
  });
  if (!known) {
    findings->push_back(
        {"WARNING", "DAMAGED_FILE_SYSTEM", std::string(status.message()), "it was left alone"});
  }
  return absl::OkStatus();
}

// A Btrfs on several devices is mounted by its first one, once the kernel knows the others.
void FindMembers(std::vector<Volume>* volumes) {
  std::vector<std::string> scan = {"btrfs", "device", "scan"};
  for (std::size_t i = 0; i < volumes->size(); ++i) {
    if ((*volumes)[i].type != "btrfs" || (*volumes)[i].device_count < 2) continue;
    scan.push_back((*volumes)[i].device);
    for (std::size_t j = 0; j < i; ++j) {
      if ((*volumes)[j].uuid == (*volumes)[i].uuid && (*volumes)[j].type == "btrfs")
        (*volumes)[i].member = true;
    }
  }
  if (scan.size() == 3) return;
  RunTool({"modprobe", "btrfs"}).IgnoreError();
  RunTool(scan).IgnoreError();
}

absl::Status NoRoot(const Devices& devices, const std::vector<Finding>& findings) {
  std::vector<std::string> closed;
  for (const Finding& finding : findings) {
    if (finding.severity == "BLOCKER" || finding.reason == "ARRAY_NOT_STARTED" ||
        finding.reason == "INCOMPLETE_VOLUME_GROUP" || finding.reason == "DAMAGED_FILE_SYSTEM")
      closed.push_back(absl::StrCat(finding.message, ": ", finding.remedy));
  }
  if (!devices.complete() || !closed.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "no Linux system was found on what could be opened. ", absl::StrJoin(closed, ". ")));
  }
  return absl::FailedPreconditionError(
      "no Linux system was found on the disks (ext, XFS or Btrfs with /etc/fstab)");
}

std::string EspFolder(const GuestRoot& root) {
  for (const char* folder : {"/boot/efi", "/efi"}) {
    if (root.PathOfFolder(folder).ok()) return folder;
  }
  return "";
}

// What is done with a root that is mounted with all below it.
absl::Status ConvertGuest(const Job& job, const std::string& where, const Firmware& firmware,
                          GuestRoot& root, Outcome* outcome, const Progress& progress) {
  if (!job.action.empty()) return DiffOrUndo(root, job, firmware, outcome);
  absl::Status status = ConvertTree(root, job, outcome, progress);
  if (!status.ok()) return status;
  progress("firmware");
  status = ApplyFirmware(firmware, root, job, outcome);
  if (status.ok()) status = RunScripts(where, job.scripts, root, outcome);
  outcome->changes = root.changes();
  if (!job.dry_run) status.Update(SaveManifest(root));
  return status;
}

absl::Status ConvertMounted(const Job& job, const std::string& where, bool complete,
                            const GuestMount& root_mount, const Firmware& firmware,
                            Outcome* outcome, const Progress& progress) {
  ASSIGN_OR_RETURN(GuestRoot root, GuestRoot::Open(where));
  const std::vector<FstabEntry> fstab = ParseFstab(root.Read("etc/fstab").value_or(""));
  std::string mdadm = root.Read("etc/mdadm/mdadm.conf").value_or("");
  absl::StrAppend(&mdadm, "\n", root.Read("etc/mdadm.conf").value_or(""));
  Names names(outcome->volumes, complete);
  LearnNames(fstab, ParseCrypttab(root.Read("etc/crypttab").value_or("")), mdadm, &outcome->volumes,
             &names);
  Volume& root_volume = outcome->volumes[root_mount.volume];
  root_volume.mount_point = "/";
  root_volume.subvolume = root_mount.subvolume;
  for (Finding& finding : names.Ambiguous()) outcome->findings.push_back(std::move(finding));
  const std::vector<GuestMount> mounts =
      PlanMounts(fstab, names, EspFolder(root), &outcome->volumes);
  if (!job.dry_run) RETURN_IF_ERROR(CheckRoom(where, root_volume.source_device, "/"));
  root_volume.written = true;
  for (const GuestMount& mount : mounts) outcome->volumes[mount.volume].written = true;
  RETURN_IF_ERROR(MountGuest(where, mounts, outcome->volumes, job.dry_run, &outcome->findings));
  outcome->stable = [&names](const std::string& name) { return names.Stable(name); };
  absl::Status status = ConvertGuest(job, where, firmware, root, outcome, progress);
  outcome->stable = nullptr;
  if (const auto room = root.FreeBytes("."); room.ok()) root_volume.free_bytes = *room;
  return status;
}

// Mounts the root, converts, unmounts all.
absl::Status ConvertRoot(const Job& job, const std::string& where, bool complete,
                         const Firmware& firmware, Outcome* outcome, const Progress& progress) {
  progress("looking for the system");
  std::optional<GuestMount> root;
  ASSIGN_OR_RETURN(root, FindRoot(where, &outcome->volumes, complete, outcome));
  // What has not arrived yet is no damage.
  if (job.unfinished) {
    std::erase_if(outcome->findings,
                  [](const Finding& finding) { return finding.reason == "DAMAGED_FILE_SYSTEM"; });
  }
  if (!root) return absl::NotFoundError("no root");
  const Volume& volume = outcome->volumes[root->volume];
  if (!volume.damage.empty() && !job.dry_run) return absl::FailedPreconditionError(volume.damage);
  absl::Status status = MountVolume(volume, where, job.dry_run, root->subvolume);
  if (status.ok())
    status = ConvertMounted(job, where, complete, *root, firmware, outcome, progress);
  progress("unmounting");
  sync();
  status.Update(UnmountAll(where));
  return status;
}

}  // namespace

absl::Status ConvertDisks(const Job& job, const std::string& where, Outcome* outcome,
                          const Progress& progress) {
  progress("looking at the disks");
  Devices devices(
      {.source_disks = job.source_disks, .key_folder = job.key_folder, .read_only = job.dry_run});
  RETURN_IF_ERROR(devices.Open(&outcome->findings));
  outcome->volumes = devices.volumes();
  FindMembers(&outcome->volumes);
  Settling settling;
  if (!job.dry_run) {
    progress("checking file systems");
    settling.BeforeChecks(outcome->volumes);
    CheckAllBefore(&outcome->volumes, &outcome->findings);
    settling.Begin(outcome->volumes);
  }
  ASSIGN_OR_RETURN(const Firmware firmware, InspectFirmware(job, outcome));
  absl::Status status = ConvertRoot(job, where, devices.complete(), firmware, outcome, progress);
  if (absl::IsNotFound(status)) {
    const absl::StatusOr<bool> windows =
        windows::ConvertWindowsDisks(job, where, outcome, progress);
    status = !windows.ok() ? windows.status()
             : *windows    ? absl::OkStatus()
                           : NoRoot(devices, outcome->findings);
  }
  if (status.ok() && !job.dry_run) {
    settling.End(outcome->volumes, outcome->added_esp, &outcome->findings);
    progress("checking file systems again");
    for (const Volume& volume : outcome->volumes) {
      if (!volume.member && volume.damage.empty())
        status.Update(CheckOne(volume, &outcome->findings));
    }
  }
  progress("closing the disks");
  status.Update(devices.Close());
  return status;
}

}  // namespace godwit::convert
