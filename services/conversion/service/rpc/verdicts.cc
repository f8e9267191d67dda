#include "services/conversion/service/rpc/verdicts.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace godwit::conversion {
namespace {

using v1::Finding;
using v1::Verdict;

// Drivers of network cards: without them a machine boots and is not reached. A profile lists
// modules without saying what each is for; these are those of the nic_model words that a profile
// may have (domain/profiles.cc), so a new word there needs its driver here.
constexpr const char* kNicModules[] = {"virtio_net", "e1000", "e1000e",
                                       "vmxnet3",    "ena",   "hv_netvsc"};

void Add(Finding::Severity severity, absl::string_view reason, std::string message,
         absl::string_view remedy, Verdict* verdict) {
  Finding* cause = verdict->add_causes();
  cause->set_severity(severity);
  cause->set_reason(std::string(reason));
  cause->set_message(std::move(message));
  cause->set_remedy(std::string(remedy));
}

void JudgeKernel(const Profile& profile, const v1::InspectedKernel& kernel, Verdict* verdict) {
  for (const std::string& module : profile.linux_modules) {
    if (std::find(kernel.missing_modules().begin(), kernel.missing_modules().end(), module) ==
        kernel.missing_modules().end())
      continue;
    const bool nic =
        std::find(std::begin(kNicModules), std::end(kNicModules), module) != std::end(kNicModules);
    Add(nic ? Finding::WARNING : Finding::BLOCKER, nic ? "NO_NIC_DRIVER" : "NO_DISK_DRIVER",
        absl::StrCat("kernel ", kernel.release(), ", which boots by default, has no driver ",
                     module),
        nic ? "the machine boots without this network card: install a kernel that has the driver"
            : "install a kernel that has the driver on the source, or choose another profile",
        verdict);
  }
}

}  // namespace

void SetVerdicts(const Profiles& profiles, v1::ConversionTask* task) {
  const v1::Inspection& inspection = task->inspection();
  if (inspection.os_family() != "linux") return;
  const auto blocks = [](const Finding& finding) { return finding.severity() == Finding::BLOCKER; };
  const bool blocked = std::any_of(task->findings().begin(), task->findings().end(), blocks);
  for (const Profile& profile : profiles.all()) {
    Verdict* verdict = task->add_verdicts();
    verdict->set_profile(profile.name);
    for (const v1::InspectedKernel& kernel : inspection.kernels()) {
      if (kernel.is_default()) JudgeKernel(profile, kernel, verdict);
    }
    // "BIOS", "UEFI", "BIOS and UEFI" or "unknown".
    const std::string source = absl::AsciiStrToLower(inspection.boot_mode());
    const auto has = [&](const std::string& firmware) {
      return absl::StrContains(source, firmware);
    };
    if ((has("bios") || has("uefi")) &&
        std::none_of(profile.firmware.begin(), profile.firmware.end(), has)) {
      Add(Finding::WARNING, "BOOT_MODE_CHANGES",
          absl::StrCat("the source boots by ", inspection.boot_mode(),
                       ", which machines of this profile do not have"),
          "conversion changes the boot mode", verdict);
    }
    const bool fails =
        blocked || std::any_of(verdict->causes().begin(), verdict->causes().end(), blocks);
    verdict->set_outcome(!fails               ? Verdict::BOOTS
                         : task->unfinished() ? Verdict::UNKNOWN
                                              : Verdict::DOES_NOT_BOOT);
  }
}

}  // namespace godwit::conversion
