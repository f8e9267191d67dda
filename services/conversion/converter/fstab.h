// The tables of file systems and encrypted devices of a guest. Pure; the text is hostile.
#pragma once

#include <string>
#include <vector>

#include "services/conversion/converter/editors.h"

namespace godwit::convert {

struct FstabEntry {
  std::string device, mount_point, type, options;
  // The value of a "key=value" option; "" when it has none.
  std::string Option(const std::string& key) const;
};
// At most 1000 entries; mount points without "..", device and mount point without escapes.
std::vector<FstabEntry> ParseFstab(const std::string& text);

struct CrypttabEntry {
  std::string name, device, key, options;
};
std::vector<CrypttabEntry> ParseCrypttab(const std::string& text);

// crypttab: source devices become stable ones; those that are not there are listed in *unresolved
// and left.
std::string EditCrypttab(const std::string& text, const StableName& stable,
                         std::vector<std::string>* unresolved);

// mdadm.conf: arrays are found by their ids alone: DEVICE lines that name disks go, and devices= of
// ARRAY lines.
std::string EditMdadm(const std::string& text);

// lvm.conf: filters that name disks of the source are commented out, as is use_devicesfile.
std::string EditLvm(const std::string& text);

}  // namespace godwit::convert
