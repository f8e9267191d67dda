#include "services/conversion/converter/firmware_steps.h"

#include <fcntl.h>
#include <linux/blkpg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/common/base/status_macros.h"
#include "services/conversion/converter/bios_boot.h"
#include "services/conversion/converter/new_partition.h"
#include "services/conversion/converter/partition_table.h"
#include "services/conversion/converter/tools.h"

namespace godwit::convert {
namespace {

constexpr char kStep[] = "firmware";
constexpr char kTableFull[] =
    "all entries of its partition table are taken; free one on the source";
constexpr char kEspFolder[] = "/mnt/esp";
constexpr char kGrub[] = "/usr/lib/godwit/grub/";
constexpr std::uint64_t kEspSectors = (std::uint64_t{64} << 20) / kSectorBytes;
constexpr std::size_t kMaxLoader = std::size_t{16} << 20;
constexpr std::uint64_t kLeastCoreRoom = 1000;  // sectors; our core has about 700
constexpr std::uint64_t kBiosBootSectors = (std::uint64_t{1} << 20) / kSectorBytes;
constexpr char kBiosBootGuid[] = "21686148-6449-6E6F-744E-656564454649";

// A folder of the EFI system partition by name, whatever its case; "" when there is none.
std::string Entry(const GuestRoot& esp, const std::string& folder, const std::string& name) {
  for (const std::string& entry : esp.List(folder)) {
    if (!absl::EqualsIgnoreCase(entry, name)) continue;
    return folder == "." ? entry : absl::StrCat(folder, "/", entry);
  }
  return "";
}

// The loader to copy, best first, in any vendor's folder.
std::string VendorLoader(const GuestRoot& esp, const std::string& efi, FirmwareFacts* facts) {
  std::string best;
  for (const char* name : {"shimx64.efi", "grubx64.efi", "systemd-bootx64.efi"}) {
    for (const std::string& vendor : esp.List(efi)) {
      if (absl::EqualsIgnoreCase(vendor, "BOOT")) continue;
      const std::string loader = Entry(esp, absl::StrCat(efi, "/", vendor), name);
      if (loader.empty()) continue;
      if (absl::StrContains(name, "shim")) facts->has_shim = true;
      if (best.empty()) best = loader;
    }
  }
  return best;
}

absl::Status LookAtEsp(const std::string& device, FirmwareFacts* facts) {
  return OnEsp(device, /*read_only=*/true, [&](GuestRoot& esp) {
    facts->has_esp = true;
    const std::string efi = Entry(esp, ".", "EFI");
    if (efi.empty()) return absl::OkStatus();
    const std::string boot = Entry(esp, efi, "BOOT");
    facts->has_fallback = !boot.empty() && !Entry(esp, boot, "BOOTX64.EFI").empty();
    facts->boots_uefi = !VendorLoader(esp, efi, facts).empty() || facts->has_fallback;
    return absl::OkStatus();
  });
}

// Like shim and its companions: the loader, what it starts, and its menu.
absl::Status CopyFallback(GuestRoot& esp) {
  const std::string efi = Entry(esp, ".", "EFI");
  FirmwareFacts facts;
  const std::string loader = VendorLoader(esp, efi, &facts);
  const std::string vendor = loader.substr(0, loader.rfind('/'));
  std::string boot = Entry(esp, efi, "BOOT");
  if (boot.empty()) boot = efi + "/BOOT";
  const std::string summary =
      absl::StrCat("boots without variables of the firmware, from ", vendor);
  ASSIGN_OR_RETURN(const std::string program, esp.Read(loader, kMaxLoader));
  RETURN_IF_ERROR(esp.Write(kStep, boot + "/BOOTX64.EFI", program, summary));
  for (const char* name : {"grubx64.efi", "mmx64.efi", "grub.cfg"}) {
    const std::string companion = Entry(esp, vendor, name);
    if (companion.empty() || companion == loader) continue;
    ASSIGN_OR_RETURN(const std::string content, esp.Read(companion, kMaxLoader));
    RETURN_IF_ERROR(esp.Write(kStep, absl::StrCat(boot, "/", name), content, summary));
  }
  return absl::OkStatus();
}

// Its changes join those of the root.
absl::Status EditEsp(const std::string& device, GuestRoot& root,
                     const std::function<absl::Status(GuestRoot&)>& edit) {
  return OnEsp(device, /*read_only=*/false, [&](GuestRoot& esp) {
    const absl::Status edited = edit(esp);
    for (Change change : esp.changes()) {
      change.volume = "esp";
      root.Record(std::move(change));
    }
    return edited;
  });
}

// A new partition behind all others, known to the kernel; its device.
absl::StatusOr<std::string> AddEspPartition(const Firmware& firmware, GuestRoot& root) {
  std::string head;
  ASSIGN_OR_RETURN(const PartitionTable before, ReadPartitionTable(firmware.disk, &head));
  const std::uint64_t start = PlaceBehind(before, kEspSectors);
  ASSIGN_OR_RETURN(const int number,
                   AddPartition(firmware.disk, {.place = {start, start == 0 ? 0 : kEspSectors},
                                                .what = "esp",
                                                .gpt_type = "U",
                                                .mbr_type = "ef",
                                                .name = "EFI system partition"}));
  const Fd fd(open(firmware.disk.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(firmware.disk);
  blkpg_partition added{.start = static_cast<long long>(start * kSectorBytes),
                        .length = static_cast<long long>(kEspSectors * kSectorBytes),
                        .pno = number};
  blkpg_ioctl_arg argument{.op = BLKPG_ADD_PARTITION, .datalen = sizeof added, .data = &added};
  if (ioctl(fd.get(), BLKPG, &argument) != 0) return ErrnoStatus(firmware.disk);
  RETURN_IF_ERROR(
      RecordSectors(kStep, firmware.disk, head, TableSectors(before),
                    absl::StrCat("partition ", number, ": an EFI system partition, 64 MiB"), root));
  const std::string device = absl::StrCat(firmware.disk, number);
  RETURN_IF_ERROR(RunTo("mkfs.vfat",
                        {"mkfs.vfat", "-F", "32", "-n", "ESP", "-i",
                         StableHex(head, "esp").substr(0, 8), "--invariant", device},
                        ""));
  return device;
}

absl::Status MakeEsp(const Firmware& firmware, GuestRoot& root, Outcome* outcome) {
  std::string device = firmware.esp;
  if (device.empty()) {
    ASSIGN_OR_RETURN(device, AddEspPartition(firmware, root));
    outcome->added_esp = device;
  }
  ASSIGN_OR_RETURN(const std::string loader,
                   ReadFile(absl::StrCat(kGrub, "bootx64.efi"), kMaxLoader));
  outcome->findings.push_back({"NOTE", "SECURE_BOOT",
                               "the boot loader that was added for UEFI is not signed",
                               "leave Secure Boot off on the target"});
  return EditEsp(device, root, [&](GuestRoot& esp) {
    return esp.Write(kStep, "EFI/BOOT/BOOTX64.EFI", loader, "GRUB, which reads the guest's menu");
  });
}

absl::Status InstallBios(const Firmware& firmware, GuestRoot& root) {
  ASSIGN_OR_RETURN(const std::string boot, ReadFile(absl::StrCat(kGrub, "boot.img"), 512));
  ASSIGN_OR_RETURN(const std::string core, ReadFile(absl::StrCat(kGrub, "core.img"), kMaxLoader));
  std::string head, partition;
  ASSIGN_OR_RETURN(const PartitionTable before, ReadPartitionTable(firmware.disk, &head));
  if (firmware.add_core) {
    ASSIGN_OR_RETURN(const int number,
                     AddPartition(firmware.disk, {.place = firmware.core,
                                                  .what = "bios",
                                                  .gpt_type = kBiosBootGuid,
                                                  .name = "BIOS boot partition"}));
    partition = absl::StrCat("partition ", number, ": a BIOS boot partition; ");
  }
  ASSIGN_OR_RETURN(const std::string present, ReadSectors(firmware.disk, 0, 1));
  ASSIGN_OR_RETURN(const BiosBoot made,
                   MakeBiosBoot(present, boot, core, firmware.core.start, firmware.core.sectors));
  RETURN_IF_ERROR(WriteSectors(firmware.disk, firmware.core.start, made.core));
  RETURN_IF_ERROR(WriteSectors(firmware.disk, 0, made.boot_sector));
  return RecordSectors(
      kStep, firmware.disk, head, firmware.add_core ? TableSectors(before) : 1,
      absl::StrCat(partition, "GRUB for a BIOS, its core in ", made.core.size() / kSectorBytes,
                   " sectors from ", firmware.core.start),
      root);
}

absl::Status AddChain(GuestRoot& root) {
  for (const char* menu : {"grub/grub.cfg", "grub2/grub.cfg", "grub/menu.lst", "grub/grub.conf"}) {
    const std::string path = absl::StrCat("boot/", menu);
    if (!root.Exists(path)) continue;
    ASSIGN_OR_RETURN(const std::string text, root.Read(path, 4 << 20));
    // A menu that asks for Red Hat's own command is of no use to the GRUB that we bring.
    if (absl::StrContains(text, "\nblscfg")) continue;
    return root.Write(kStep, kChainFile, ChainConfig(menu, !absl::EndsWith(path, ".cfg")),
                      "hands over to the menu");
  }
  return absl::FailedPreconditionError(
      "the boot mode cannot be changed: no menu of GRUB in /boot that our GRUB reads; launch with "
      "the source's own boot mode");
}

}  // namespace

absl::Status OnEsp(const std::string& device, bool read_only,
                   const std::function<absl::Status(GuestRoot&)>& edit) {
  if (device.empty())
    return absl::FailedPreconditionError("the EFI system partition is not there any more");
  const Volume volume{.device = device, .source_device = device, .type = "vfat"};
  RETURN_IF_ERROR(MountVolume(volume, kEspFolder, read_only));
  absl::Status status = [&]() -> absl::Status {
    ASSIGN_OR_RETURN(GuestRoot esp, GuestRoot::Open(kEspFolder));
    return edit(esp);
  }();
  if (!read_only) sync();
  status.Update(Unmount(kEspFolder));
  return status;
}

absl::Status CheckSectors(const Firmware& firmware, const std::vector<Change>& changes) {
  for (const Change& change : changes) {
    if (change.volume != "disk") continue;
    const std::string bytes = absl::HexStringToBytes(change.kept);
    ASSIGN_OR_RETURN(const std::string now,
                     ReadSectors(firmware.disk, 0, bytes.size() / kSectorBytes));
    if (bytes.empty() || bytes.size() > 34 * kSectorBytes ||
        Sha256Hex(bytes) != change.before_sha256 || Sha256Hex(now) != change.after_sha256) {
      return absl::FailedPreconditionError(
          absl::StrCat(change.path, " were changed after the conversion; nothing is undone"));
    }
  }
  return absl::OkStatus();
}

absl::Status UndoSectors(const Firmware& firmware, const std::vector<Change>& changes,
                         Outcome* outcome) {
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    if (change->volume != "disk") continue;
    RETURN_IF_ERROR(WriteSectors(firmware.disk, 0, absl::HexStringToBytes(change->kept)));
    outcome->changes.push_back({.step = "undo",
                                .path = change->path,
                                .before_sha256 = change->after_sha256,
                                .after_sha256 = change->before_sha256,
                                .summary = "as they were",
                                .volume = "disk"});
  }
  return absl::OkStatus();
}

namespace {

// Where GRUB for a BIOS lies, or what must be done for it.
void FindCore(const PartitionTable& table, Firmware* firmware) {
  FirmwareFacts& facts = firmware->facts;
  if (table.kind == PartitionTable::Kind::kNone)
    facts.bios_remedy = "the boot disk has no partition table";
  if (table.kind == PartitionTable::Kind::kMbr) {
    facts.boots_bios = table.has_boot_code;
    firmware->core = {1, table.first_start > 1 ? table.first_start - 1 : 0};
    facts.bios_remedy = "the first partition leaves no room for GRUB before it";
  }
  for (const Partition& partition : table.partitions) {
    if (!partition.is_bios_boot) continue;
    facts.boots_bios = table.has_boot_code;
    firmware->core = {partition.start, partition.sectors};
    facts.bios_remedy = "its partition of the kind \"BIOS boot\" is too small; 1 MiB is needed";
  }
  facts.can_get_bios = firmware->core.sectors >= kLeastCoreRoom;
  if (table.kind != PartitionTable::Kind::kGpt || firmware->core.sectors != 0) return;
  firmware->add_core = facts.can_get_bios = table.has_free_entry;
  firmware->core = PlaceBiosBoot(table, kLeastCoreRoom);
  facts.bios_remedy = kTableFull;
}

}  // namespace

absl::StatusOr<Firmware> InspectFirmware(const Job& job, Outcome* outcome) {
  Firmware firmware;
  FirmwareFacts& facts = firmware.facts;
  ASSIGN_OR_RETURN(const PartitionTable table, ReadPartitionTable(firmware.disk, nullptr));
  for (const Volume& volume : outcome->volumes) {
    if (volume.type != "vfat" || facts.has_esp) continue;
    FirmwareFacts found = facts;
    if (!LookAtEsp(volume.device, &found).ok()) continue;
    const bool marked =
        std::any_of(table.partitions.begin(), table.partitions.end(), [&](const Partition& other) {
          return other.is_esp && absl::StrCat(firmware.disk, other.number) == volume.device;
        });
    if (!marked && !found.boots_uefi) continue;
    facts = found;
    firmware.esp = volume.device;
  }
  FindCore(table, &firmware);
  facts.can_get_esp = table.kind != PartitionTable::Kind::kNone && table.has_free_entry;
  facts.esp_remedy = table.kind == PartitionTable::Kind::kNone
                         ? "the boot disk has no partition table"
                         : kTableFull;
  outcome->boot_mode = SourceBootMode(facts);
  if (!job.action.empty()) return firmware;  // nothing is made
  ASSIGN_OR_RETURN(firmware.plan, PlanFirmware(facts, job.boot_mode, job.firmware));
  outcome->firmware = firmware.plan.firmware;
  if (facts.has_shim) {
    outcome->findings.push_back({"NOTE", "SECURE_BOOT", "the source starts by a signed shim",
                                 "its signatures stay; Secure Boot may be on on the target"});
  }
  if (!facts.boots_bios && !facts.boots_uefi && firmware.plan.step == FirmwareStep::kNone) {
    outcome->findings.push_back(
        {"WARNING", "NO_BOOT_LOADER", "the boot disk starts by no firmware that we know",
         "name the boot mode in the launch settings to have a boot loader added"});
  }
  std::uint64_t more = 0;  // sectors of a partition for which there is no room
  if (firmware.plan.step == FirmwareStep::kMakeEsp && firmware.esp.empty() &&
      PlaceBehind(table, kEspSectors) == 0)
    more = kEspSectors;
  if (firmware.plan.step == FirmwareStep::kInstallBios && firmware.core.sectors == 0)
    more = kBiosBootSectors;
  if (more != 0) {
    outcome->boot_disk_bytes = BytesNeeded(table, more);
    if (!job.dry_run)
      return absl::FailedPreconditionError("the boot disk must grow for one more partition");
  }
  return firmware;
}

absl::Status ApplyFirmware(const Firmware& firmware, GuestRoot& root, const Job& job,
                           Outcome* outcome) {
  if (firmware.plan.step == FirmwareStep::kNone) return absl::OkStatus();
  if (firmware.plan.step != FirmwareStep::kCopyFallback) RETURN_IF_ERROR(AddChain(root));
  if (job.dry_run) {
    outcome->findings.push_back(
        {"NOTE", "BOOT_MODE", absl::StrCat("the source boots by ", outcome->boot_mode),
         absl::StrCat("conversion makes it boot by ", firmware.plan.firmware)});
    return absl::OkStatus();
  }
  switch (firmware.plan.step) {
    case FirmwareStep::kCopyFallback:
      return EditEsp(firmware.esp, root, CopyFallback);
    case FirmwareStep::kMakeEsp:
      return MakeEsp(firmware, root, outcome);
    default:
      return InstallBios(firmware, root);
  }
}

}  // namespace godwit::convert
