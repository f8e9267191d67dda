#include "services/conversion/converter/convert.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/boot_loader.h"
#include "services/conversion/converter/editors.h"
#include "services/conversion/converter/initramfs_config.h"
#include "services/conversion/converter/names.h"
#include "services/conversion/converter/pinned_devices.h"

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

// Of a bare tree nothing is known but its given volumes: names by content stay.
StableName NamesOf(const Outcome& outcome) {
  if (outcome.stable) return outcome.stable;
  return [&outcome](const std::string& device) {
    return Names(outcome.volumes, /*complete=*/false).Stable(device);
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

absl::Status ConvertTree(GuestRoot& root, const Job& job, Outcome* outcome,
                         const Progress& progress) {
  if (job.dry_run) root.SetDryRun();
  progress("inspecting");
  RETURN_IF_ERROR(Inspect(root, outcome));
  const StableName stable = NamesOf(*outcome);

  progress("devices");
  RETURN_IF_ERROR(ConvertPinnedDevices(root, stable, outcome));

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

}  // namespace godwit::convert
