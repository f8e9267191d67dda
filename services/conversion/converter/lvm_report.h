// What `lvm lvs` and `lvm pvs` say, as JSON. Pure; names come from the disks and are hostile.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace godwit::convert {

struct LogicalVolume {
  std::string name, group, uuid, segment_type;
  bool active = false, partial = false;
};
// The columns that ParseLogicalVolumes needs, for `lvs -o`.
constexpr char kLogicalVolumeColumns[] =
    "lv_name,vg_name,lv_uuid,segtype,lv_active,lv_attr,vg_uuid";

// LVs with names that LVM allows; others are left out. At most `max`, each once.
absl::StatusOr<std::vector<LogicalVolume>> ParseLogicalVolumes(const std::string& json,
                                                               std::size_t max);

struct MissingDisk {
  std::string uuid, group;
};
// The columns that ParseMissingDisks needs, for `pvs -o`.
constexpr char kPhysicalVolumeColumns[] = "pv_uuid,vg_name,pv_missing";
absl::StatusOr<std::vector<MissingDisk>> ParseMissingDisks(const std::string& json);

// A name that LVM would take: letters, digits, "+_.-", not "." or "..", not with '-' in front.
bool IsLvmName(const std::string& name);

// As device-mapper writes it: "vg-a", "root" -> "vg--a-root".
std::string MapperName(const std::string& group, const std::string& name);

}  // namespace godwit::convert
