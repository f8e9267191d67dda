#include "services/conversion/converter/firmware.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace godwit::convert {
namespace {

absl::StatusOr<FirmwarePlan> Uefi(const FirmwareFacts& facts) {
  if (facts.boots_uefi)
    return FirmwarePlan{"uefi",
                        facts.has_fallback ? FirmwareStep::kNone : FirmwareStep::kCopyFallback};
  if (facts.has_esp || facts.can_get_esp) return FirmwarePlan{"uefi", FirmwareStep::kMakeEsp};
  return absl::FailedPreconditionError(
      absl::StrCat("the disk cannot be made to boot by UEFI: ", facts.esp_remedy));
}

absl::StatusOr<FirmwarePlan> Bios(const FirmwareFacts& facts) {
  if (facts.boots_bios) return FirmwarePlan{"bios"};
  if (facts.can_get_bios) return FirmwarePlan{"bios", FirmwareStep::kInstallBios};
  return absl::FailedPreconditionError(
      absl::StrCat("the disk cannot be made to boot by a BIOS: ", facts.bios_remedy));
}

}  // namespace

std::string SourceBootMode(const FirmwareFacts& facts) {
  if (facts.boots_bios && facts.boots_uefi) return "BIOS and UEFI";
  return facts.boots_uefi ? "UEFI" : facts.boots_bios ? "BIOS" : "unknown";
}

absl::StatusOr<FirmwarePlan> PlanFirmware(const FirmwareFacts& facts, const std::string& wanted,
                                          const std::vector<std::string>& offered) {
  const auto has = [&](const std::string& kind) {
    return std::find(offered.begin(), offered.end(), kind) != offered.end();
  };
  if (!wanted.empty()) {
    if (!has(wanted)) {
      return absl::InvalidArgumentError(absl::StrCat("boot mode ", wanted,
                                                     " is asked for, and the target has only ",
                                                     absl::StrJoin(offered, ", ")));
    }
    return wanted == "uefi" ? Uefi(facts) : Bios(facts);
  }
  // As the source: the first kind of the target by which it boots already.
  for (const std::string& kind : offered) {
    if (kind == "uefi" ? facts.boots_uefi : facts.boots_bios)
      return kind == "uefi" ? Uefi(facts) : Bios(facts);
  }
  // By no kind that we know: left as it is, the caller warns.
  if (!facts.boots_bios && !facts.boots_uefi) return FirmwarePlan{has("bios") ? "bios" : "uefi"};
  absl::StatusOr<FirmwarePlan> plan = absl::FailedPreconditionError("the target has no firmware");
  for (const std::string& kind : offered) {
    plan = kind == "uefi" ? Uefi(facts) : Bios(facts);
    if (plan.ok()) return plan;
  }
  return plan;
}

std::string ChainConfig(const std::string& menu, bool legacy) {
  const std::string folder = menu.substr(0, menu.rfind('/'));
  return absl::StrCat(
      "# Read by the boot loader that the migration added; hands over to this system's own menu.\n"
      "set prefix=($root)$godwit_boot/",
      folder, "\nexport prefix\n", legacy ? "legacy_configfile" : "configfile",
      " ($root)$godwit_boot/", menu, "\n");
}

}  // namespace godwit::convert
