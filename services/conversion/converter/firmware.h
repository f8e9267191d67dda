// By which firmware the result starts. Pure: what the source has, what is asked for and what the
// target offers give one answer, or the reason why there is none.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace godwit::convert {

struct FirmwareFacts {
  bool boots_bios = false;    // a boot sector program, and where the rest of it lies
  bool has_esp = false;       // an EFI system partition with a file system
  bool boots_uefi = false;    // some loader lies on it
  bool has_fallback = false;  // EFI/BOOT/BOOTX64.EFI: starts without variables of the firmware
  bool has_shim = false;      // signed for Secure Boot
  bool can_get_bios = false;  // there is room for GRUB's core
  bool can_get_esp = false;   // a disk with a table that takes one more partition
  std::string bios_remedy, esp_remedy;  // why not
};

// "BIOS", "UEFI", "BIOS and UEFI" or "unknown".
std::string SourceBootMode(const FirmwareFacts& facts);

enum class FirmwareStep {
  kNone,
  kCopyFallback,  // the vendor's loader becomes the fallback
  kMakeEsp,       // BIOS -> UEFI
  kInstallBios,   // UEFI -> BIOS
};

struct FirmwarePlan {
  std::string firmware;  // "bios" or "uefi"
  FirmwareStep step = FirmwareStep::kNone;
};

// `wanted`: "bios", "uefi", or "" for the source's own. `offered`: of the target, the preferred one
// first. INVALID_ARGUMENT: the target does not offer what is wanted. FAILED_PRECONDITION: the disk
// cannot be made to; says the remedy.
absl::StatusOr<FirmwarePlan> PlanFirmware(const FirmwareFacts& facts, const std::string& wanted,
                                          const std::vector<std::string>& offered);

// What the loaders that conversion adds read: they look for this file on every volume, and set
// $godwit_boot to the folder that is /boot of the guest.
inline constexpr char kChainFile[] = "boot/godwit/grub.cfg";
// `menu`: path of the guest's own menu below /boot, for example "grub/grub.cfg"; `legacy`: it is
// one of GRUB 0.97.
std::string ChainConfig(const std::string& menu, bool legacy);

}  // namespace godwit::convert
