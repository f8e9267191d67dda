// Boot modes on the disks of the appliance: what the source boots by, and what makes it boot by
// another kind of firmware. Partitions that are there keep their place, their GUIDs and the disk's
// signature.
#pragma once

#include <string>
#include <vector>

#include "services/conversion/converter/convert.h"
#include "services/conversion/converter/firmware.h"
#include "services/conversion/converter/partition_table.h"

namespace godwit::convert {

struct Firmware {
  FirmwareFacts facts;
  FirmwarePlan plan;
  std::string disk = "/dev/vda";  // the boot disk
  std::string esp;                // device; empty: none
  Place core;                     // where GRUB for a BIOS lies, or would
  bool add_core = false;          // it is a partition that is not there yet
};

// Looks and plans; sets outcome->boot_mode and ->firmware. When the boot disk is too small for what
// is planned: FAILED_PRECONDITION and outcome->boot_disk_bytes, the size that it must have.
absl::StatusOr<Firmware> InspectFirmware(const Job& job, Outcome* outcome);

// With the root mounted: writes what the plan says.
absl::Status ApplyFirmware(const Firmware& firmware, GuestRoot& root, const Job& job,
                           Outcome* outcome);

// The file tree of the EFI system partition `device`, mounted for the time of the call.
absl::Status OnEsp(const std::string& device, bool read_only,
                   const std::function<absl::Status(GuestRoot&)>& edit);

// Sectors of the boot disk among `changes`: FAILED_PRECONDITION when they are not what the
// conversion left; and back to what they were, the newest first.
absl::Status CheckSectors(const Firmware& firmware, const std::vector<Change>& changes);
absl::Status UndoSectors(const Firmware& firmware, const std::vector<Change>& changes,
                         Outcome* outcome);

}  // namespace godwit::convert
