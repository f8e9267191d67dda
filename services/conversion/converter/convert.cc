#include "services/conversion/converter/convert.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/addresses.h"
#include "services/conversion/converter/boot_loader.h"
#include "services/conversion/converter/boot_menu.h"
#include "services/conversion/converter/edit_file.h"
#include "services/conversion/converter/editors.h"
#include "services/conversion/converter/guest_services.h"
#include "services/conversion/converter/guest_tools.h"
#include "services/conversion/converter/initramfs_config.h"
#include "services/conversion/converter/machine_state.h"
#include "services/conversion/converter/names.h"
#include "services/conversion/converter/pinned_devices.h"
#include "services/conversion/converter/regenerate.h"
#include "services/conversion/converter/serial_console.h"

namespace godwit::convert {
namespace {

// What the agent left on the source; see agent/state/installation.h.
constexpr const char* kAgentFiles[] = {
    "etc/systemd/system/godwit-agent.service",
    "etc/systemd/system/multi-user.target.wants/godwit-agent.service",
    "usr/local/sbin/godwit-agent", "var/lib/godwit-agent"};

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

absl::Status Inspect(const GuestRoot& root, const Job& job, Outcome* outcome) {
  Inspection& inspection = outcome->inspection;
  absl::StatusOr<std::string> release = root.Read("etc/os-release", 65536);
  if (!release.ok()) release = root.Read("usr/lib/os-release", 65536);
  if (release.ok()) {
    inspection.distribution = OsReleaseValue(*release, "ID");
    inspection.version = OsReleaseValue(*release, "VERSION_ID");
    inspection.full_string = OsReleaseValue(*release, "PRETTY_NAME");
  }
  for (const char* path : {"etc/redhat-release", "etc/SuSE-release"}) {
    const absl::StatusOr<std::string> old = root.Read(path, 65536);
    if (release.ok() || !old.ok()) continue;
    const ReleaseName name = OldReleaseName(*old);
    inspection.distribution = name.distribution;
    inspection.version = name.version;
    inspection.full_string = old->substr(0, std::min<std::size_t>(old->find('\n'), 256));
  }
  inspection.architecture = Architecture(root);
  inspection.boot_loader = absl::StrJoin(FindBootLoaders(root), ", ");
  inspection.initramfs_tool = FindInitramfsTool(root);
  inspection.init_system = FindInitSystem(root);
  inspection.selinux = FindSelinux(root);
  inspection.kernels = FindKernels(root, &outcome->findings, job.linux_modules);
  std::vector<std::string>& unified = inspection.unified_images;
  FindSealedImages(root, &unified, &outcome->findings);
  // Nothing of such a system is a file to edit.
  if (!outcome->findings.empty() && outcome->findings.back().severity == "BLOCKER")
    return absl::FailedPreconditionError(outcome->findings.back().message);
  if (inspection.boot_loader.empty()) {
    return absl::UnimplementedError(
        "no configuration of a boot loader was found (GRUB, systemd-boot or extlinux in /boot)");
  }
  if (inspection.kernels.empty() && !unified.empty()) {
    if (job.regenerate) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "all kernels are in unified images: convert in mode REGENERATE");
  }
  if (inspection.kernels.empty()) {
    return absl::FailedPreconditionError(
        "no kernel with its modules was found in /boot and /lib/modules");
  }
  return absl::OkStatus();
}

// The target's modules that every kernel has, in its tree or built in.
std::vector<std::string> ModulesOf(const std::vector<GuestKernel>& kernels,
                                   const std::vector<std::string>& wanted) {
  std::vector<std::string> modules = wanted;
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

absl::Status AsFinding(const absl::Status& status, bool unfinished, Outcome* outcome) {
  if (status.ok()) return status;
  if (unfinished) {
    outcome->findings.push_back({"BLOCKER", "NOT_COMPLETE", std::string(status.message()),
                                 "the copy is not complete: look again when more has arrived"});
    return absl::OkStatus();
  }
  if (!absl::IsFailedPrecondition(status) && !absl::IsUnimplemented(status)) return status;
  for (const Finding& finding : outcome->findings) {
    if (finding.severity == "BLOCKER") return absl::OkStatus();  // it says why
  }
  outcome->findings.push_back({"BLOCKER", "CANNOT_CONVERT", std::string(status.message()), ""});
  return absl::OkStatus();
}

absl::Status ConvertTree(GuestRoot& root, const Job& job, Outcome* outcome,
                         const Progress& progress) {
  if (job.dry_run) root.SetDryRun();
  progress("inspecting");
  RETURN_IF_ERROR(Inspect(root, job, outcome));
  const StableName stable = NamesOf(*outcome);

  progress("kernels");
  std::vector<GuestKernel>& kernels = outcome->inspection.kernels;
  RETURN_IF_ERROR(ConvertDefaultKernel(root, &kernels, &outcome->findings));
  for (const Finding& finding : outcome->findings) {
    // A plan goes on, so that it names all causes.
    if (finding.severity == "BLOCKER" && !job.dry_run)
      return absl::FailedPreconditionError(absl::StrCat(finding.message, ": ", finding.remedy));
  }
  progress("devices");
  RETURN_IF_ERROR(ConvertPinnedDevices(root, stable, outcome));
  const std::vector<std::string> wanted = WantedModules(job.linux_modules);
  progress("guest tools");
  RETURN_IF_ERROR(ConvertGuestTools(root, job.hypervisor, &outcome->inspection.guest_tools,
                                    &outcome->findings));
  RETURN_IF_ERROR(ConvertBlacklists(root, wanted, &outcome->findings));
  RETURN_IF_ERROR(ConvertGuestAgents(root, &outcome->findings));

  progress("network");
  RETURN_IF_ERROR(ConvertNetwork(root, job.nics));
  RETURN_IF_ERROR(
      ConvertAddresses(root, job.nics, &outcome->inspection.network_kinds, &outcome->findings));

  progress("initramfs");
  RETURN_IF_ERROR(ConvertInitramfsConfig(root, ModulesOf(kernels, wanted), stable));
  if (!job.regenerate) {
    if (root.Exists("sbin/nash")) {
      outcome->findings.push_back(
          {"WARNING", "FIXED_INITRAMFS", "the initramfs loads only what its own script lists",
           "convert in mode REGENERATE: the guest's mkinitrd adds the target's drivers"});
    }
    RETURN_IF_ERROR(ConvertInitramfsImages(root, kernels, wanted, &outcome->findings));
  }

  progress("boot loader");
  RETURN_IF_ERROR(ConvertBootLoaders(root, stable, job.kernel_arguments));

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

  progress("console and caches");
  RETURN_IF_ERROR(ConvertSerialConsole(root));
  RETURN_IF_ERROR(RemoveDeviceCaches(root));
  RETURN_IF_ERROR(ConvertSelinux(root, &outcome->findings));
  progress("agent");
  RETURN_IF_ERROR(ConvertAgent(root));
  if (job.regenerate) {
    // Last: the tools read what was edited.
    progress("initramfs by the guest's own tools");
    RETURN_IF_ERROR(RegenerateImages(
        root, outcome->inspection.initramfs_tool, kernels, outcome->inspection.unified_images,
        absl::Seconds(job.regenerate_seconds), job.dry_run, &outcome->findings));
  }
  outcome->changes = root.changes();
  progress("verifying");
  return job.dry_run ? absl::OkStatus() : VerifyBootLoaders(root);
}

}  // namespace godwit::convert
