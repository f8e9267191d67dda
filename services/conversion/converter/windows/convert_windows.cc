#include "services/conversion/converter/windows/convert_windows.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/windows/drivers.h"
#include "services/conversion/converter/windows/first_boot.h"
#include "services/conversion/converter/windows/guest.h"
#include "services/conversion/converter/windows/inject.h"
#include "services/conversion/converter/windows/names.h"
#include "services/conversion/converter/windows/network.h"
#include "services/conversion/converter/windows/old_platform.h"
#include "services/conversion/converter/windows/requirements.h"
#include "services/conversion/converter/windows/rights.h"

namespace godwit::convert::windows {
namespace {

void Report(const Guest& guest, Outcome* outcome) {
  const Facts& facts = guest.facts;
  Inspection& inspection = outcome->inspection;
  inspection.os_family = "windows";
  inspection.distribution = "windows";
  inspection.version =
      absl::StrCat(facts.version.major, ".", facts.version.minor, ".", facts.version.build);
  inspection.full_string = facts.product_name;
  inspection.architecture = facts.version.architecture;
  inspection.windows = WindowsInspection{
      .product_name = facts.product_name,
      .edition = facts.edition,
      .installation_type = facts.installation_type,
      .build = facts.version.build,
      .is_server = facts.version.server,
      .control_set = facts.control_sets[0],
      .system_root = facts.system_root,
      .computer_name = facts.computer_name,
      .boot_mode = facts.boot_mode,
      .activation = facts.activation,
      .hypervisor_tools = facts.hypervisor_tools,
      .paravirtual_drivers = facts.paravirtual_drivers,
      .page_files = facts.page_files,
  };
}

void NoteActivation(const Facts& facts, Outcome* outcome) {
  std::string remedy =
      "see that it can be activated there: the hardware that it was bound to is "
      "another one, and the licence must allow the new place";
  if (facts.activation == "volume") {
    remedy = "it activates by itself where it reaches its KMS host (slmgr /ato)";
  } else if (facts.activation == "OEM") {
    remedy =
        "an OEM licence belongs to the machine it came with: another licence is needed "
        "(slmgr /ipk KEY, slmgr /ato)";
  } else if (facts.activation == "retail") {
    remedy = "it asks to be activated again (slmgr /ato)";
  }
  outcome->findings.push_back(
      {"NOTE", "ACTIVATION",
       absl::StrCat(facts.product_name.empty() ? "Windows" : facts.product_name, ", ",
                    facts.activation.empty() ? "a licence of unknown kind" : facts.activation),
       remedy});
}

absl::Status CheckDrivers(const Job& job, const Guest& guest, const Requirements& needed,
                          const DriverChoice& choice, bool has_folder, Outcome* outcome) {
  const auto chosen = [&](const std::string& service) {
    return std::any_of(
        choice.packages.begin(), choice.packages.end(), [&](const DriverPackage& package) {
          return absl::EqualsIgnoreCase(package.name, service) && package.inf.service;
        });
  };
  const auto there = [&](const std::string& service) {
    // Disabled is disabled by somebody, except for what StartOwnDiskDrivers starts again.
    return guest.system
        .GetDword(absl::StrCat(guest.facts.control_sets[0], "\\Services\\", service), "Start")
        .has_value();
  };
  const auto any = [&](const std::vector<std::string>& services) {
    return services.empty() ||
           std::any_of(services.begin(), services.end(), [&](const std::string& service) {
             return chosen(service) || there(service);
           });
  };
  const std::string system =
      absl::StrCat(guest.facts.product_name, ", ", guest.facts.version.architecture);
  const std::string where =
      !has_folder ? "there is no folder of drivers"
                  : absl::StrCat("the folder of drivers has ", choice.packages.size(),
                                 " drivers for it and ", choice.other_count, " for other systems");
  if (!any(needed.nic_services)) {
    outcome->findings.push_back(
        {"WARNING", "NO_NETWORK_DRIVER",
         absl::StrCat("no driver for ", needed.nic_words, " (", system, "): ", where),
         absl::StrCat("put ", absl::StrJoin(needed.nic_services, " or "),
                      " for it into the worker's --windows-drivers, or choose another NIC model")});
  }
  if (any(needed.disk_services)) return absl::OkStatus();
  return Refuse(
      job,
      {"BLOCKER", "NO_DISK_DRIVER",
       absl::StrCat("no driver for ", needed.disk_words, " (", system, "): ", where),
       absl::StrCat("put ", absl::StrJoin(needed.disk_services, " or "),
                    " for it into the worker's --windows-drivers, or choose another profile")},
      outcome);
}

// A driver that was there already, with or without a package of ours, starts with the loader.
absl::Status StartKnownDiskDrivers(Guest& guest, const Requirements& needed) {
  for (const std::string& control_set : guest.facts.control_sets) {
    for (const std::string& service : needed.disk_services) {
      const std::string key = absl::StrCat(control_set, "\\Services\\", service);
      if (guest.system.GetDword(key, "Start")) {
        RETURN_IF_ERROR(guest.system.Set(key, "Start", RegDword(0)));
      }
    }
  }
  return absl::OkStatus();
}

// The hive's file, then what changed in it.
absl::Status WriteHive(GuestRoot& root, Hive& hive, const std::string& path, bool dry_run,
                       Outcome* outcome) {
  if (hive.edits().empty()) return absl::OkStatus();
  if (!dry_run) {
    ASSIGN_OR_RETURN(const std::string bytes, hive.Serialize());
    RETURN_IF_ERROR(root.Write("registry", path, bytes,
                               absl::StrCat(hive.edits().size(), " edits of the registry")));
  }
  for (const RegistryEdit& edit : hive.edits()) {
    outcome->changes.push_back({.step = "registry",
                                .path = path,
                                .summary = edit.made_key ? absl::StrCat(edit.key, " made")
                                                         : absl::StrCat(edit.key, " ", edit.value),
                                .registry = edit});
  }
  return absl::OkStatus();
}

absl::Status EditRegistry(Guest& guest, const std::string& hypervisor, Outcome* outcome) {
  std::vector<std::string> filters;
  for (const std::string& control_set : guest.facts.control_sets) {
    std::vector<std::string> left;
    RETURN_IF_ERROR(DisableOldPlatform(guest.system, control_set, hypervisor, &left));
    if (filters.empty()) filters = left;
    // A machine that fails to boot shows why, instead of starting over and over.
    RETURN_IF_ERROR(
        guest.system.Set(control_set + R"(\Control\CrashControl)", "AutoReboot", RegDword(0)));
  }
  if (!filters.empty()) {
    outcome->findings.push_back(
        {"NOTE", "DEVICE_FILTERS",
         absl::StrCat("filters of devices that stay: ", absl::StrJoin(filters, ", ")),
         "if the machine does not boot, look at what they belong to"});
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Refuse(const Job& job, const Finding& finding, Outcome* outcome) {
  outcome->findings.push_back(finding);
  return job.dry_run
             ? absl::OkStatus()
             : absl::FailedPreconditionError(absl::StrCat(finding.message, ": ", finding.remedy));
}

absl::Status ConvertWindowsTree(GuestRoot& root, const Job& job, const Supplies& supplies,
                                Outcome* outcome, const Progress& progress) {
  if (job.dry_run) root.SetDryRun();
  progress("inspecting");
  absl::StatusOr<Guest> opened = OpenGuest(&root, job.windows.allow_unclean);
  if (absl::IsFailedPrecondition(opened.status())) {
    outcome->inspection.os_family = "windows";
    return Refuse(job,
                  {"BLOCKER", "UNCLEAN_REGISTRY", std::string(opened.status().message()),
                   "shut the server down in order, then take a new point"},
                  outcome);
  }
  RETURN_IF_ERROR(opened);
  Guest& guest = *opened;
  Report(guest, outcome);
  const Requirements needed = RequirementsOf(job.windows);
  if (!guest.facts.hypervisor_tools.empty()) {
    outcome->findings.push_back(
        {"NOTE", "HYPERVISOR_TOOLS",
         absl::StrCat("installed: ", absl::StrJoin(guest.facts.hypervisor_tools, ", ")),
         "services of other platforms are switched off; uninstall them when the machine runs"});
  }
  NoteActivation(guest.facts, outcome);

  progress("choosing drivers");
  DriverChoice choice;
  if (supplies.drivers) {
    ASSIGN_OR_RETURN(choice, ChooseDrivers(*supplies.drivers, guest.facts.version));
    for (const std::string& skipped : choice.skipped) {
      outcome->findings.push_back({"WARNING", "DRIVER_SKIPPED", skipped,
                                   "it was left out; mend or remove it in --windows-drivers"});
    }
  }
  Scripts scripts;
  if (supplies.scripts) {
    ASSIGN_OR_RETURN(scripts, ReadScripts(*supplies.scripts));
  }
  RETURN_IF_ERROR(CheckDrivers(job, guest, needed, choice, supplies.drivers.has_value(), outcome));

  const bool had_drivers_folder = FindPath(root, guest.facts.system_root + "/Drivers").has_value();
  progress("injecting drivers");
  RETURN_IF_ERROR(EditRegistry(guest, job.hypervisor, outcome));
  RETURN_IF_ERROR(StartOwnDiskDrivers(guest));
  RETURN_IF_ERROR(StartKnownDiskDrivers(guest, needed));
  for (const DriverPackage& package : choice.packages) {
    RETURN_IF_ERROR(InjectDriver(guest, package));
  }

  progress("first boot");
  std::vector<std::string> refused;
  const std::string network = NetworkScript(PlanNetwork(guest, job.windows.cards, &refused));
  for (const std::string& address : refused) {
    outcome->findings.push_back(
        {"WARNING", "STATIC_ADDRESS",
         absl::StrCat("the static address \"", address, "\" is not set"),
         "give an IPv4 address with the length of its network, 10.0.0.5/24"});
  }
  RETURN_IF_ERROR(AddFirstBoot(guest, scripts, network, !choice.packages.empty()));

  progress("writing the registry");
  RETURN_IF_ERROR(WriteHive(root, guest.software, guest.software_path, job.dry_run, outcome));
  RETURN_IF_ERROR(WriteHive(root, guest.system, guest.system_path, job.dry_run, outcome));
  outcome->changes.insert(outcome->changes.begin(), root.changes().begin(), root.changes().end());
  if (job.dry_run) return absl::OkStatus();
  RETURN_IF_ERROR(SetRights(root, guest.facts.system_root, !had_drivers_folder));

  progress("verifying");
  ASSIGN_OR_RETURN(const Guest after, OpenGuest(&root, job.windows.allow_unclean));
  const bool starts =
      needed.disk_services.empty() ||
      std::any_of(needed.disk_services.begin(), needed.disk_services.end(),
                  [&](const std::string& name) { return StartsAtBoot(after, name); });
  return starts ? absl::OkStatus()
                : absl::InternalError("the driver of the target's disks does not start at boot");
}

}  // namespace godwit::convert::windows
