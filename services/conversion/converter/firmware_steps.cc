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
#include "services/conversion/converter/partition_table.h"
#include "services/conversion/converter/run_bounded.h"

namespace godwit::convert {
namespace {

constexpr char kStep[] = "firmware";
constexpr char kEspFolder[] = "/mnt/esp";
constexpr char kGrub[] = "/usr/lib/godwit/grub/";
constexpr std::uint64_t kEspSectors = (std::uint64_t{64} << 20) / kSectorBytes;
constexpr std::size_t kMaxLoader = std::size_t{16} << 20;
constexpr std::uint64_t kLeastCoreRoom = 1000;  // sectors; our core has about 700

absl::StatusOr<std::string> ReadSectors(const std::string& disk, std::uint64_t start,
                                        std::uint64_t count) {
  const Fd fd(open(disk.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(disk);
  std::string bytes(count * kSectorBytes, '\0');
  const ssize_t got =
      pread(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(start * kSectorBytes));
  if (got < 0) return ErrnoStatus(disk);
  bytes.resize(static_cast<std::size_t>(got));
  return bytes;
}

absl::Status WriteSectors(const std::string& disk, std::uint64_t start, const std::string& bytes) {
  const Fd fd(open(disk.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(disk);
  if (pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(start * kSectorBytes)) !=
          static_cast<ssize_t>(bytes.size()) ||
      fsync(fd.get()) != 0)
    return ErrnoStatus(disk);
  return absl::OkStatus();
}

// A folder of the EFI system partition by name, whatever its case; "" when there is none.
std::string Entry(const GuestRoot& esp, const std::string& folder, const std::string& name) {
  for (const std::string& entry : esp.List(folder)) {
    if (absl::EqualsIgnoreCase(entry, name)) return absl::StrCat(folder, "/", entry);
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

// GUIDs and serial numbers that a second conversion of the same disk makes again.
std::string StableHex(const std::string& table, const std::string& what) {
  return Sha256Hex(absl::StrCat(what, "/", table)).substr(0, 32);
}

// A new partition behind all others, known to the kernel; its device.
absl::StatusOr<std::string> AddEspPartition(const Firmware& firmware, GuestRoot& root) {
  ASSIGN_OR_RETURN(const std::string head, ReadSectors(firmware.disk, 0, 128));
  const Fd fd(open(firmware.disk.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(firmware.disk);
  const std::uint64_t sectors =
      static_cast<std::uint64_t>(lseek(fd.get(), 0, SEEK_END)) / kSectorBytes;
  const PartitionTable before = ParsePartitionTable(head, sectors);
  const bool gpt = before.kind == PartitionTable::Kind::kGpt;
  const std::uint64_t start = PlaceBehind(before, kEspSectors);
  if (start == 0) return absl::InternalError("no room for an EFI system partition");
  const std::string hex = StableHex(head.substr(0, 34 * kSectorBytes), "esp");
  const std::string uuid =
      absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-4", hex.substr(13, 3), "-a",
                   hex.substr(17, 3), "-", hex.substr(20, 12));
  if (gpt) {
    RETURN_IF_ERROR(
        RunTo("sfdisk", {"sfdisk", "-q", "--relocate", "gpt-bak-std", firmware.disk}, ""));
  }
  RETURN_IF_ERROR(RunTo(
      "sfdisk", {"sfdisk", "-q", "--append", "--no-reread", "--no-tell-kernel", firmware.disk},
      absl::StrCat("start=", start, ", size=", kEspSectors,
                   gpt ? absl::StrCat(", type=U, uuid=", uuid, ", name=\"EFI system partition\"")
                       : ", type=ef",
                   "\n")));
  ASSIGN_OR_RETURN(const std::string now, ReadSectors(firmware.disk, 0, 128));
  const PartitionTable after = ParsePartitionTable(now, sectors);
  for (const Partition& partition : after.partitions) {
    if (partition.start != start || !partition.is_esp) continue;
    blkpg_partition added{.start = static_cast<long long>(start * kSectorBytes),
                          .length = static_cast<long long>(kEspSectors * kSectorBytes),
                          .pno = partition.number};
    blkpg_ioctl_arg argument{.op = BLKPG_ADD_PARTITION, .datalen = sizeof added, .data = &added};
    if (ioctl(fd.get(), BLKPG, &argument) != 0) return ErrnoStatus(firmware.disk);
    const std::uint64_t kept = gpt ? 34 : 1;
    root.Record({.step = kStep,
                 .path = absl::StrCat(firmware.disk, " sectors 0 to ", kept - 1),
                 .before_sha256 = Sha256Hex(head.substr(0, kept * kSectorBytes)),
                 .after_sha256 = Sha256Hex(now.substr(0, kept * kSectorBytes)),
                 .summary = absl::StrCat("partition ", partition.number,
                                         ": an EFI system partition, 64 MiB"),
                 .volume = "disk",
                 .kept = absl::BytesToHexString(head.substr(0, kept * kSectorBytes))});
    const std::string serial = hex.substr(0, 8);
    const std::string device = absl::StrCat(firmware.disk, partition.number);
    RETURN_IF_ERROR(
        RunTo("mkfs.vfat",
              {"mkfs.vfat", "-F", "32", "-n", "ESP", "-i", serial, "--invariant", device}, ""));
    return device;
  }
  return absl::InternalError("the partition was added and cannot be found");
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
  ASSIGN_OR_RETURN(const std::string present, ReadSectors(firmware.disk, 0, 1));
  ASSIGN_OR_RETURN(const BiosBoot made,
                   MakeBiosBoot(present, boot, core, firmware.core_start, firmware.core_room));
  RETURN_IF_ERROR(WriteSectors(firmware.disk, firmware.core_start, made.core));
  RETURN_IF_ERROR(WriteSectors(firmware.disk, 0, made.boot_sector));
  root.Record(
      {.step = kStep,
       .path = absl::StrCat(firmware.disk, " sectors 0 to 0"),
       .before_sha256 = Sha256Hex(present),
       .after_sha256 = Sha256Hex(made.boot_sector),
       .summary = absl::StrCat("GRUB for a BIOS, its core in ", made.core.size() / kSectorBytes,
                               " sectors from ", firmware.core_start),
       .volume = "disk",
       .kept = absl::BytesToHexString(present)});
  return absl::OkStatus();
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

absl::StatusOr<Firmware> InspectFirmware(const Job& job, Outcome* outcome) {
  Firmware firmware;
  FirmwareFacts& facts = firmware.facts;
  ASSIGN_OR_RETURN(const std::string head, ReadSectors(firmware.disk, 0, 128));
  const Fd fd(open(firmware.disk.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(firmware.disk);
  const PartitionTable table = ParsePartitionTable(
      head, static_cast<std::uint64_t>(lseek(fd.get(), 0, SEEK_END)) / kSectorBytes);
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
  if (table.kind == PartitionTable::Kind::kMbr) {
    facts.boots_bios = table.has_boot_code;
    firmware.core_start = 1;
    firmware.core_room = table.first_start > 1 ? table.first_start - 1 : 0;
    facts.bios_remedy = "the first partition leaves no room for GRUB before it";
  }
  for (const Partition& partition : table.partitions) {
    if (!partition.is_bios_boot) continue;
    facts.boots_bios = table.has_boot_code;
    firmware.core_start = partition.start;
    firmware.core_room = partition.sectors;
  }
  if (table.kind == PartitionTable::Kind::kGpt && firmware.core_room == 0)
    facts.bios_remedy =
        "it has no partition of the kind \"BIOS boot\" (1 MiB); add one on the source";
  if (table.kind == PartitionTable::Kind::kNone)
    facts.bios_remedy = "the boot disk has no partition table";
  facts.can_get_bios = firmware.core_room >= kLeastCoreRoom;
  facts.can_get_esp = table.kind != PartitionTable::Kind::kNone && table.has_free_entry;
  facts.esp_remedy =
      table.kind == PartitionTable::Kind::kNone
          ? "the boot disk has no partition table"
          : "all four entries of its partition table are taken; free one on the source";
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
  if (firmware.plan.step == FirmwareStep::kMakeEsp && firmware.esp.empty() &&
      PlaceBehind(table, kEspSectors) == 0) {
    outcome->boot_disk_bytes = BytesNeeded(table, kEspSectors);
    if (!job.dry_run)
      return absl::FailedPreconditionError("the boot disk must grow for an EFI system partition");
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
