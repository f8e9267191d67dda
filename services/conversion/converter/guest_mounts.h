// Where the volumes of one Linux system are mounted for its conversion.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/conversion/converter/finding.h"
#include "services/conversion/converter/fstab.h"
#include "services/conversion/converter/names.h"

namespace godwit::convert {

// Tells `names` of the names that these tables use, and gives volumes that are opened by crypttab
// their names there. `mdadm`: mdadm.conf, whose arrays get their names.
void LearnNames(const std::vector<FstabEntry>& fstab, const std::vector<CrypttabEntry>& crypttab,
                const std::string& mdadm, std::vector<Volume>* volumes, Names* names);

struct GuestMount {
  std::size_t volume = 0;  // its index
  std::string mount_point, subvolume;
};
// What fstab mounts below the root and a conversion needs: /boot, /usr, /var and the ESP, outer
// ones first. Sets mount_point and subvolume of all volumes that fstab names. An ESP that fstab
// does not name is taken when `esp_folder` ("/boot/efi", "/efi"; "" none) is there for it.
std::vector<GuestMount> PlanMounts(const std::vector<FstabEntry>& fstab, const Names& names,
                                   const std::string& esp_folder, std::vector<Volume>* volumes);

// Mounts them below `where`, through no symlink that leads out of it. A folder that is not there is
// a finding. FAILED_PRECONDITION: such a volume is damaged, or has too little room for a
// conversion.
absl::Status MountGuest(const std::string& where, const std::vector<GuestMount>& mounts,
                        const std::vector<Volume>& volumes, bool read_only,
                        std::vector<Finding>* findings);

// FAILED_PRECONDITION: less than a conversion writes is free below `where` (of the volume that
// `name` says): bytes, or files where the file system counts them.
absl::Status CheckRoom(const std::string& where, const std::string& name,
                       const std::string& mount_point);

}  // namespace godwit::convert
