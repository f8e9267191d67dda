#include "services/conversion/converter/windows/windows_disks.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/file.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/windows/convert_windows.h"
#include "services/conversion/converter/windows/guest.h"
#include "services/conversion/converter/windows/names.h"
#include "services/conversion/converter/windows/ntfs.h"

namespace godwit::convert::windows {
namespace fs = std::filesystem;
namespace {

constexpr char kSuppliesAt[] = "/mnt/supplies";
constexpr char kSuppliesSerial[] = "godwit-supplies";
constexpr char kEspAt[] = "/mnt/esp";
constexpr char kOptions[] = "nosuid,nodev,noexec,noatime,windows_names";
// What ntfs-3g.probe ends with.
constexpr int kHibernated = 14, kNotClosed = 15;

struct State {
  std::string reason, message, remedy;  // reason "" when all is well
};

absl::StatusOr<State> StateOf(const Volume& volume) {
  const Fd fd(open(volume.device.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(volume.device);
  ASSIGN_OR_RETURN(
      const bool marked,
      IsMarkedForCheck([&](std::uint64_t offset, std::size_t size) -> absl::StatusOr<std::string> {
        std::string bytes(size, '\0');
        const ssize_t got = pread(fd.get(), bytes.data(), size, static_cast<off_t>(offset));
        if (got < 0) return ErrnoStatus(volume.device);
        bytes.resize(static_cast<std::size_t>(got));
        return bytes;
      }));
  const std::string name = absl::StrCat("the Windows volume on ", volume.source_device);
  if (marked) {
    return State{"DIRTY_VOLUME", name + " is marked for a check",
                 "run chkdsk /f on the source and restart it, then take a new point"};
  }
  ASSIGN_OR_RETURN(const int code, RunTool({"/sbin/ntfs-3g.probe", "--readwrite", volume.device}));
  if (code == kHibernated) {
    return State{
        "HIBERNATED", name + " holds a hibernated system (or one of fast startup)",
        "switch fast startup off (powercfg /h off), shut down in order (shutdown /s /t 0), "
        "then take a new point"};
  }
  if (code == kNotClosed) {
    return State{"UNCLEAN_VOLUME", name + " was not closed in order",
                 "shut the source down in order, or take a point of a quiesced volume"};
  }
  if (code != 0) {
    return State{"DAMAGED_VOLUME", absl::StrCat(name, " cannot be opened (", code, ")"),
                 "run chkdsk /f on the source, then take a new point"};
  }
  return State{};
}

absl::Status Mount(const Volume& volume, const std::string& where, const std::string& more) {
  RETURN_IF_ERROR(MakeDirs(where));
  ASSIGN_OR_RETURN(const int code, RunTool({"/sbin/ntfs-3g", volume.device, where, "-o",
                                            absl::StrCat(kOptions, ",", more)}));
  if (code == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("mounting ", volume.source_device, " (NTFS) failed (", code, ")"));
}

// The read-only disk with what the operator gave, by its serial number.
absl::StatusOr<Supplies> OpenSupplies() {
  Supplies supplies;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/sys/block", error)) {
    const absl::StatusOr<std::string> serial = ReadFile(entry.path() / "serial", 64);
    if (!serial.ok() || absl::StripAsciiWhitespace(*serial) != kSuppliesSerial) continue;
    RETURN_IF_ERROR(MakeDirs(kSuppliesAt));
    const std::string device = "/dev/" + entry.path().filename().string();
    if (mount(device.c_str(), kSuppliesAt, "ext4", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "noload") != 0) {
      return ErrnoStatus("mounting the operator's drivers and scripts");
    }
    if (absl::StatusOr<GuestRoot> root = GuestRoot::Open(std::string(kSuppliesAt) + "/drivers");
        root.ok()) {
      supplies.drivers.emplace(*std::move(root));
    }
    if (absl::StatusOr<GuestRoot> root = GuestRoot::Open(std::string(kSuppliesAt) + "/firstboot");
        root.ok()) {
      supplies.scripts.emplace(*std::move(root));
    }
  }
  return supplies;
}

// True when Windows starts from that system partition; firmware that knows no entries of it finds
// the loader at the path for any disk.
absl::StatusOr<bool> ConvertEsp(const Volume& volume, bool dry_run, Outcome* outcome) {
  RETURN_IF_ERROR(MakeDirs(kEspAt));
  const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | (dry_run ? MS_RDONLY : 0);
  if (mount(volume.device.c_str(), kEspAt, "vfat", flags, "quiet,utf8") != 0) return false;
  const absl::Cleanup unmount = [] { umount2(kEspAt, UMOUNT_NOFOLLOW); };
  ASSIGN_OR_RETURN(GuestRoot root, GuestRoot::Open(kEspAt));
  if (dry_run) root.SetDryRun();
  const auto loader = FindPath(root, "EFI/Microsoft/Boot/bootmgfw.efi");
  if (!loader || !FindPath(root, "EFI/Microsoft/Boot/BCD")) return false;
  const bool arm = outcome->inspection.architecture == "aarch64";
  const std::string fallback = arm ? "EFI/Boot/bootaa64.efi" : "EFI/Boot/bootx64.efi";
  if (!FindPath(root, fallback)) {
    ASSIGN_OR_RETURN(const std::string program, root.Read(*loader));
    RETURN_IF_ERROR(root.Write("boot", PlaceFor(root, fallback), program,
                               "the loader where any firmware looks for it"));
  }
  outcome->changes.insert(outcome->changes.end(), root.changes().begin(), root.changes().end());
  return true;
}

absl::Status ConvertVolume(const Job& job, Volume& volume, const std::string& where,
                           Outcome* outcome, const Progress& progress) {
  progress("checking the Windows volume");
  ASSIGN_OR_RETURN(const State state, StateOf(volume));
  std::string options = "norecover";
  if (!state.reason.empty() && !job.windows.allow_unclean) {
    RETURN_IF_ERROR(Refuse(job, {"BLOCKER", state.reason, state.message, state.remedy}, outcome));
  } else if (!state.reason.empty()) {
    outcome->findings.push_back({"WARNING", state.reason, state.message,
                                 "it was asked for all the same: the newest changes may be lost"});
    options = state.reason == "HIBERNATED" ? "recover,remove_hiberfile" : "recover";
  }
  RETURN_IF_ERROR(Mount(volume, where, job.dry_run ? "ro" : options));
  ASSIGN_OR_RETURN(const Supplies supplies, OpenSupplies());
  absl::Status status;
  {
    absl::StatusOr<GuestRoot> root = GuestRoot::Open(where);
    status =
        root.ok() ? ConvertWindowsTree(*root, job, supplies, outcome, progress) : root.status();
    volume.mount_point = "C:";
    if (root.ok()) volume.free_bytes = root->FreeBytes(".").value_or(0);
  }
  progress("unmounting");
  sync();
  status.Update(Unmount(where));
  return status;
}

}  // namespace

absl::StatusOr<bool> ConvertWindowsDisks(const Job& job, const std::string& where, Outcome* outcome,
                                         const Progress& progress) {
  Volume* windows = nullptr;
  bool has_boot_data = false;
  for (Volume& volume : outcome->volumes) {
    if (volume.type != "ntfs") continue;
    if (!Mount(volume, where, "ro").ok()) continue;
    {
      const absl::StatusOr<GuestRoot> root = GuestRoot::Open(where);
      if (windows == nullptr && root.ok() && LooksLikeWindows(*root)) windows = &volume;
      has_boot_data = has_boot_data || (root.ok() && FindPath(*root, "Boot/BCD"));
    }
    RETURN_IF_ERROR(Unmount(where));
  }
  for (const Volume& volume : outcome->volumes) {
    if (volume.type != "bitlocker") continue;
    const std::string message =
        absl::StrCat("the volume on ", volume.source_device, " is encrypted with BitLocker");
    if (windows == nullptr) {
      outcome->inspection.os_family = "windows";
      RETURN_IF_ERROR(
          Refuse(job,
                 {"BLOCKER", "BITLOCKER", message,
                  "decrypt it on the source (manage-bde -off C:), wait until it is done, take a "
                  "new point; suspending is not enough"},
                 outcome));
      return true;
    }
    outcome->findings.push_back(
        {"NOTE", "BITLOCKER", message, "it is not needed to boot; keep its recovery key at hand"});
  }
  if (windows == nullptr) return false;
  RETURN_IF_ERROR(ConvertVolume(job, *windows, where, outcome, progress));
  if (!outcome->inspection.windows) return true;
  std::string& boot_mode = outcome->inspection.windows->boot_mode;
  if (has_boot_data) boot_mode = "BIOS";
  for (const Volume& volume : outcome->volumes) {
    if (volume.type != "vfat") continue;
    ASSIGN_OR_RETURN(const bool starts, ConvertEsp(volume, job.dry_run, outcome));
    if (starts) boot_mode = "UEFI";
  }
  if (job.dry_run) return true;
  ASSIGN_OR_RETURN(const State after, StateOf(*windows));
  return after.reason.empty() ? absl::StatusOr<bool>(true) : absl::InternalError(after.message);
}

}  // namespace godwit::convert::windows
