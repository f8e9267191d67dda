#include "services/conversion/converter/convert.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/boot_loader.h"
#include "services/conversion/converter/editors.h"
#include "services/conversion/converter/initramfs_config.h"

namespace godwit::convert {
namespace {

// What the agent left on the source; see agent/state/installation.h.
constexpr const char* kAgentFiles[] = {
    "etc/systemd/system/godwit-agent.service",
    "etc/systemd/system/multi-user.target.wants/godwit-agent.service",
    "usr/local/sbin/godwit-agent", "var/lib/godwit-agent"};

// Edits a file when it is there.
template <typename Edit>
absl::Status EditFile(GuestRoot& root, const std::string& step, const std::string& path,
                      const std::string& summary, const Edit& edit) {
  const absl::StatusOr<std::string> text = root.Read(path);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  RETURN_IF_ERROR(text);
  return root.Write(step, path, edit(*text), summary);
}

StableName NamesOf(const std::vector<Volume>& volumes) {
  return [&volumes](const std::string& device) -> std::optional<std::string> {
    for (const Volume& volume : volumes) {
      if (volume.source_device == device && !volume.uuid.empty()) return "UUID=" + volume.uuid;
    }
    return std::nullopt;
  };
}

std::string Architecture(const GuestRoot& root) {
  // The ELF header of a program that every system has: e_machine at byte 18.
  for (const char* path : {"usr/bin/true", "bin/true", "bin/sh"}) {
    const absl::StatusOr<std::string> program = root.Read(path);
    if (!program.ok() || program->size() < 20 ||
        program->compare(0, 4,
                         "\x7f"
                         "ELF") != 0)
      continue;
    switch (static_cast<unsigned char>((*program)[18])) {
      case 0x3e:
        return "x86_64";
      case 0x03:
        return "i386";
      case 0xb7:
        return "aarch64";
    }
  }
  return "";
}

absl::Status Inspect(const GuestRoot& root, Outcome* outcome) {
  Inspection& inspection = outcome->inspection;
  absl::StatusOr<std::string> release = root.Read("etc/os-release", 65536);
  if (!release.ok()) release = root.Read("usr/lib/os-release", 65536);
  if (release.ok()) {
    inspection.distribution = OsReleaseValue(*release, "ID");
    inspection.version = OsReleaseValue(*release, "VERSION_ID");
    inspection.full_string = OsReleaseValue(*release, "PRETTY_NAME");
  }
  inspection.architecture = Architecture(root);
  inspection.boot_loader = absl::StrJoin(FindBootLoaders(root), ", ");
  inspection.initramfs_tool = FindInitramfsTool(root);
  inspection.kernels = FindKernels(root);
  if (inspection.boot_loader.empty()) {
    return absl::UnimplementedError(
        "no configuration of a boot loader was found (GRUB, systemd-boot or extlinux in /boot)");
  }
  if (inspection.kernels.empty()) {
    return absl::FailedPreconditionError(
        "no kernel with its modules was found in /boot and /lib/modules");
  }
  return absl::OkStatus();
}

// The target's modules that every kernel has, in its tree or built in.
std::vector<std::string> ModulesOf(const std::vector<GuestKernel>& kernels) {
  std::vector<std::string> modules = TargetModules();
  for (const GuestKernel& kernel : kernels) {
    for (const std::string& missing : kernel.missing_modules) std::erase(modules, missing);
  }
  return modules;
}

absl::Status ConvertAgent(GuestRoot& root) {
  for (const char* path : kAgentFiles) {
    RETURN_IF_ERROR(root.Remove("agent", path, "the replication agent stays on the source"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Job> ParseJob(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::InvalidArgumentError("the job is not a JSON object");
  Job job;
  job.dry_run = json.value("dry_run", false);
  for (const auto& disk : json.value("source_disks", nlohmann::json::array())) {
    if (disk.is_string()) job.source_disks.push_back(disk.get<std::string>());
  }
  for (const auto& nic : json.value("nics", nlohmann::json::array())) {
    if (!nic.is_object()) continue;
    const Nic parsed{.mac_address = nic.value("mac_address", ""),
                     .source_mac_address = nic.value("source_mac_address", ""),
                     .source_name = nic.value("source_name", "")};
    for (const char c : parsed.source_name) {
      if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-' && c != '.') {
        return absl::InvalidArgumentError(
            "nics.source_name: letters, digits, '_', '-' and '.' only");
      }
    }
    for (const char c : parsed.mac_address) {
      if (!absl::ascii_isxdigit(static_cast<unsigned char>(c)) && c != ':') {
        return absl::InvalidArgumentError("nics.mac_address: hex digits and colons only");
      }
    }
    job.nics.push_back(parsed);
  }
  return job;
}

absl::Status ConvertTree(GuestRoot& root, const Job& job, Outcome* outcome,
                         const Progress& progress) {
  if (job.dry_run) root.SetDryRun();
  progress("inspecting");
  RETURN_IF_ERROR(Inspect(root, outcome));
  const StableName stable = NamesOf(outcome->volumes);

  progress("initramfs");
  for (GuestKernel& kernel : outcome->inspection.kernels) {
    if (kernel.initramfs.empty()) {
      outcome->findings.push_back({"WARNING", "NO_INITRAMFS",
                                   absl::StrCat("kernel ", kernel.release, " has no initramfs"),
                                   "it boots only when the target's drivers are built in"});
      continue;
    }
    RETURN_IF_ERROR(ConvertInitramfs(root, &kernel));
  }
  RETURN_IF_ERROR(ConvertInitramfsConfig(root, ModulesOf(outcome->inspection.kernels), stable));

  progress("boot loader");
  RETURN_IF_ERROR(ConvertBootLoaders(root, stable));

  progress("fstab");
  std::vector<std::string> unresolved;
  RETURN_IF_ERROR(
      EditFile(root, "fstab", "etc/fstab", "stable names",
               [&](const std::string& text) { return EditFstab(text, stable, &unresolved); }));
  for (const std::string& device : unresolved) {
    outcome->findings.push_back(
        {"WARNING", "UNRESOLVABLE_FSTAB",
         absl::StrCat("/etc/fstab mounts ", device, ", which is no volume of the migrated disks"),
         "the entry got \"nofail\", so that the machine boots without it"});
  }

  progress("network");
  RETURN_IF_ERROR(ConvertNetwork(root, job.nics));
  progress("agent");
  RETURN_IF_ERROR(ConvertAgent(root));
  outcome->changes = root.changes();
  progress("verifying");
  return job.dry_run ? absl::OkStatus() : VerifyBootLoaders(root);
}

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
                            const Progress& progress) {
  ASSIGN_OR_RETURN(GuestRoot root, GuestRoot::Open(where));
  absl::Status status = ConvertTree(root, job, outcome, progress);
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
  if (const absl::StatusOr<std::string> fstab = ReadFile(where + "/etc/fstab", 1 << 20);
      fstab.ok()) {
    FindMountPoints(*fstab, &outcome->volumes);
  }
  for (const char* point : {"/boot", "/usr", "/var"}) {
    for (const Volume& volume : outcome->volumes) {
      if (volume.mount_point != point || !Mountable(volume) || !status.ok()) continue;
      status = MountVolume(volume, where + point, job.dry_run);
      if (status.ok()) mounted.push_back(where + point);
    }
  }
  if (status.ok()) status = ConvertMounted(job, where, outcome, progress);
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
